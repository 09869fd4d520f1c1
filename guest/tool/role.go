package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"
)

// RoleProfile is the name by which programs of AWS find the credentials of the
// machine's role (administration guide, "How to Use the IAM Role With AppStream
// 2.0 Streaming Instances"). Where the file with it is, and how programs learn of
// it, the guide does not say; see role_linux.go and role_windows.go:
//
//	theRole() roleFiles         where things are on this system
//	(roleFiles).point() error    programs that are started from now on look there
//	(roleFiles).unpoint() error  they do not
const RoleProfile = "appstream_machine_role"

// roleFiles are where a system has the profile.
type roleFiles struct {
	config  string // the file with it, for everybody to read
	pointer string // what leads programs to it
	program string // this tool
}

var (
	// errNoRole: there is none, or it is not given out any more.
	errNoRole = errors.New("this machine has no IAM role, or none that it may act as any more")
	// errAway: ask again.
	errAway = errors.New("the metadata service does not answer")
)

// sure asks for what must be there, and says whether it is: 200 or 404.
func (m metadataClient) sure(ctx context.Context, path string) (text string, found bool, err error) {
	status, text, err := m.get(ctx, path)
	switch {
	case err != nil:
		return "", false, fmt.Errorf("%w: %w", errAway, err)
	case status != 200 && status != 404:
		return "", false, fmt.Errorf("%w: its status is %d", errAway, status)
	}
	return text, status == 200, nil
}

const listRoles = "meta-data/iam/security-credentials/"

// role asks for the name of the machine's role. errNoRole is sure: the machine is
// known, and has none.
func (m metadataClient) role(ctx context.Context) (string, error) {
	list, found, err := m.sure(ctx, listRoles)
	if err != nil {
		return "", err
	}
	if name, _, _ := strings.Cut(list, "\n"); found && roleName.MatchString(name) {
		return name, nil
	}
	switch _, known, err := m.sure(ctx, "meta-data/instance-id"); {
	case err != nil:
		return "", err
	case !known:
		return "", fmt.Errorf("%w: it does not know this machine", errAway)
	}
	return "", errNoRole
}

var roleName = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)

// roleTries is how often a server that is away is asked, a second apart.
const roleTries = 10

// RoleCredentials prints credentials of the machine's role in the form of a
// credential_process (SDK reference guide, "Process credential provider"), which
// programs run again when they have expired. An error says that there is no role.
func RoleCredentials(ctx context.Context, out io.Writer) error {
	return theMetadata.credentials(ctx, out)
}

func (m metadataClient) credentials(ctx context.Context, out io.Writer) (err error) {
	for range roleTries {
		var text []byte
		if text, err = m.roleKeys(ctx); err == nil {
			_, err = fmt.Fprintf(out, "%s\n", text)
			return err
		}
		if errors.Is(err, errNoRole) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	return err
}

func (m metadataClient) roleKeys(ctx context.Context) ([]byte, error) {
	name, err := m.role(ctx)
	if err != nil {
		return nil, err
	}
	text, found, err := m.sure(ctx, listRoles+name)
	if err != nil {
		return nil, err
	}
	var k struct{ Code, AccessKeyId, SecretAccessKey, Token, Expiration string }
	if err := json.Unmarshal([]byte(text), &k); !found || err != nil || k.Code != "Success" {
		return nil, fmt.Errorf("%w: no credentials of the role %s", errAway, name)
	}
	return json.Marshal(struct {
		Version                                                int
		AccessKeyId, SecretAccessKey, SessionToken, Expiration string
	}{1, k.AccessKeyId, k.SecretAccessKey, k.Token, k.Expiration})
}

// announceEvery is the time between two looks for a network or a server that is
// away.
const announceEvery = 2 * time.Second

// AnnounceRole writes the profile once it is known that this machine has a role,
// and takes it away once it is known that it has none: which machine an image was
// made on does not matter. A role is a machine's as long as it runs.
func AnnounceRole(ctx context.Context, log func(format string, args ...any)) {
	p := theRole()
	for {
		has, err := p.announce(ctx, theMetadata)
		if err == nil {
			if has {
				log("programs of AWS find the role as the profile %s", RoleProfile)
			}
			return
		}
		if !errors.Is(err, errAway) {
			log("the profile %s: %v", RoleProfile, err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(announceEvery):
		}
	}
}

func (p roleFiles) announce(ctx context.Context, m metadataClient) (has bool, err error) {
	_, err = m.role(ctx)
	if errors.Is(err, errNoRole) {
		if err := os.Remove(p.config); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		return false, p.unpoint()
	}
	if err != nil {
		return false, err
	}
	lines := []string{"[profile " + RoleProfile + "]", fmt.Sprintf(`credential_process = "%s" role-credentials`, p.program)}
	for _, of := range [][2]string{{"region", "meta-data/placement/region"}, {"endpoint_url", "meta-data/services/endpoint"}} {
		text, found, err := m.sure(ctx, of[1])
		if err != nil {
			return false, err
		}
		if found && text != "" && !strings.ContainsAny(text, "\r\n") { // an older server does not tell all
			lines = append(lines, of[0]+" = "+text)
		}
	}
	if err := writeWhole(p.config, strings.Join(lines, "\n")+"\n"); err != nil {
		return false, err
	}
	return true, p.point()
}
