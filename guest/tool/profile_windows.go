package tool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// linksKept: making links needs a privilege that users do not have, and programs
// here do not expect them.
const linksKept = false

// sameVolume: what is mounted in a folder is no folder to os.Lstat.
func sameVolume(_, _ fs.FileInfo) bool { return true }

// profiles is where Windows keeps who has which one.
const profiles = `SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList`

type profile struct {
	sid, home string
}

func findProfile(name string) (*profile, error) {
	domain, user := domainOf(name)
	account := domain + `\` + user
	if domain == "" {
		computer, err := windows.ComputerName()
		if err != nil {
			return nil, err
		}
		account = computer + `\` + user
	} else if joined, err := inDomain(); err != nil || !joined {
		return nil, errors.Join(noDomain, err)
	}
	sid, _, kind, err := windows.LookupSID("", account)
	if err != nil || kind != windows.SidTypeUser {
		return nil, noUser(name, "there is no such user")
	}
	p := &profile{sid: sid.String()}
	if p.home, err = profilePath(p.sid, "ProfileImagePath"); errors.Is(err, registry.ErrNotExist) {
		return nil, noUser(name, "the user has no profile; sign in as it once")
	}
	return p, err
}

func inDomain() (bool, error) {
	var name *uint16
	var status uint32
	if err := windows.NetGetJoinInformation(nil, &name, &status); err != nil {
		return false, err
	}
	return status == windows.NetSetupDomainName, windows.NetApiBufferFree((*byte)(unsafe.Pointer(name)))
}

func profilePath(key, value string) (string, error) {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, filepath.Join(profiles, key), registry.QUERY_VALUE)
	if err != nil {
		return "", err
	}
	defer k.Close()
	path, _, err := k.GetStringValue(value)
	if err != nil {
		return "", err
	}
	return registry.ExpandString(path)
}

// signedIn: the user's part of the registry is in use, so that its file cannot be
// read and holds less than there is.
func (p *profile) signedIn() bool {
	k, err := registry.OpenKey(registry.USERS, p.sid, registry.QUERY_VALUE)
	if err == nil {
		_ = k.Close()
	}
	return err == nil
}

var errSignedIn = errors.New("the user is signed in; sign it out")

// Parts of a profile that belong to a user and a machine, which Windows does not
// copy either (Sysprep, CopyProfile); those of the default profile stay.
var kept = []string{"AppData/Local", "AppData/LocalLow"}

// hive is the user's part of the registry; the files beside it are its journal.
const hive = "NTUSER.DAT"

func (p *profile) makeDefault(tell func(string)) error {
	if p.signedIn() {
		return uncopied(p.home, errSignedIn)
	}
	to, err := profilePath("", "Default")
	if err != nil {
		return err
	}
	put := func(dir *os.Root, base string, skip func(string) bool) error {
		from, err := os.OpenRoot(base)
		if err != nil {
			return err
		}
		defer from.Close()
		return (&survey{root: from, base: base, skip: skip, tell: tell, see: copies(dir, base, nil)}).walk()
	}
	err = replace(filepath.Dir(to), filepath.Base(to), func(dir *os.Root) error {
		err := put(dir, p.home, func(name string) bool {
			n := strings.ToUpper(name)
			return isKept(name) || n != hive && strings.HasPrefix(n, hive)
		})
		for _, k := range kept {
			if err == nil {
				err = dir.MkdirAll(k, 0o700)
			}
			var sub *os.Root
			if err == nil {
				sub, err = dir.OpenRoot(k)
			}
			if err == nil {
				if err = put(sub, filepath.Join(to, k), nil); errors.Is(err, fs.ErrNotExist) {
					err = nil
				}
				_ = sub.Close()
			}
		}
		if err == nil {
			err = everybodys(filepath.Join(dir.Name(), hive))
		}
		return err
	})
	if err != nil {
		return uncopied(to, err)
	}
	return nil
}

// isKept tells whether a path is, or lies below, one of kept.
func isKept(name string) bool {
	for _, k := range kept {
		if strings.EqualFold(name, k) || len(name) > len(k) && strings.EqualFold(name[:len(k)+1], k+"/") {
			return true
		}
	}
	return false
}

var (
	advapi           = windows.NewLazySystemDLL("advapi32.dll")
	regLoadKey       = advapi.NewProc("RegLoadKeyW")
	regUnLoadKey     = advapi.NewProc("RegUnLoadKeyW")
	deleteProfile    = windows.NewLazySystemDLL("userenv.dll").NewProc("DeleteProfileW")
	hivePrivileges   = []string{"SeBackupPrivilege", "SeRestorePrivilege"}
	everybodysRights = "D:(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;CI;KR;;;BU)" // those of the default profile's keys
)

// mounted is the name by which a hive is looked into.
const mounted = "SlipwayDefault"

// everybodys takes the user's own rights out of a copied hive: Windows gives a new
// user the rights over its copy, and leaves what else it finds.
func everybodys(path string) error {
	if err := allow(hivePrivileges...); err != nil {
		return err
	}
	name, err := windows.UTF16PtrFromString(mounted)
	if err != nil {
		return err
	}
	file, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return err
	}
	if r, _, _ := regLoadKey.Call(uintptr(windows.HKEY_USERS), uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(file))); r != 0 {
		return syscall.Errno(r)
	}
	sd, err := windows.SecurityDescriptorFromString(everybodysRights)
	if err == nil {
		var dacl *windows.ACL
		if dacl, _, err = sd.DACL(); err == nil {
			err = windows.SetNamedSecurityInfo(`USERS\`+mounted, windows.SE_REGISTRY_KEY, windows.DACL_SECURITY_INFORMATION, nil, nil, dacl, nil)
		}
	}
	if r, _, _ := regUnLoadKey.Call(uintptr(windows.HKEY_USERS), uintptr(unsafe.Pointer(name))); r != 0 {
		err = errors.Join(err, syscall.Errno(r))
	}
	return err
}

// allow enables privileges that administrators have.
func allow(names ...string) error {
	var t windows.Token
	if err := windows.OpenProcessToken(windows.CurrentProcess(), windows.TOKEN_ADJUST_PRIVILEGES|windows.TOKEN_QUERY, &t); err != nil {
		return err
	}
	defer t.Close()
	for _, n := range names {
		name, err := windows.UTF16PtrFromString(n)
		if err != nil {
			return err
		}
		p := windows.Tokenprivileges{PrivilegeCount: 1}
		p.Privileges[0].Attributes = windows.SE_PRIVILEGE_ENABLED
		if err := windows.LookupPrivilegeValue(nil, name, &p.Privileges[0].Luid); err != nil {
			return err
		}
		if err := windows.AdjustTokenPrivileges(t, false, &p, 0, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// reset deletes the profile; Windows makes another one of the default one when the
// user signs in.
func (p *profile) reset(func(string)) error {
	if p.signedIn() {
		return uncopied(p.home, errSignedIn)
	}
	sid, err := windows.UTF16PtrFromString(p.sid)
	if err != nil {
		return err
	}
	if r, _, err := deleteProfile.Call(uintptr(unsafe.Pointer(sid)), 0, 0); r == 0 {
		return uncopied(p.home, err)
	}
	return nil
}
