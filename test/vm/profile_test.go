package vm

import (
	"strings"
	"time"

	"slipway/test/rig"
)

// defaultProfile lets a template user of the guest set something up, which new
// users of it begin with, and gives the template user a new beginning. It works on
// the disk's own system, whose /etc/skel is in the image that is made of it; there is
// no useradd, so what that does with it is done by hand.
func (h *house) defaultProfile(machine string) {
	h.t.Helper()
	const assistant = "chroot /disk /usr/local/sbin/slipway-guest assistant "
	const success = `{"status":0,"message":"Success"}`
	for _, c := range []struct {
		command, want string
		code          int
	}{
		{"set -e; umask 022; mkdir -p /disk/bin /disk/proc /disk/run /disk/home; cp /bin/busybox /disk/bin; chroot /disk /bin/busybox --install -s /bin; mount --bind /proc /disk/proc; mount --bind /run /disk/run; cp /etc/passwd /etc/group /disk/etc; echo TemplateUser:x:1000:1000::/home/TemplateUser:/bin/sh >> /disk/etc/passwd; echo newcomer:x:1001:1001::/home/newcomer:/bin/sh >> /disk/etc/passwd; rm -rf /disk/etc/skel", "", 0},
		{assistant + "update-default-profile", `{"status":1,"message":"Unable to copy file or folder: /home/TemplateUser. no such file or directory"}`, 1},
		{"set -e; umask 022; mkdir /disk/home/TemplateUser; cd /disk/home/TemplateUser; mkdir .config; echo dark > .config/editor; chmod 666 .config/editor; ln -s /etc/passwd .config/out; chroot /disk chown -R TemplateUser /home/TemplateUser; chmod 4755 .config", "", 0},
		// The link is named on the error stream; what is printed here is both.
		{assistant + "update-default-profile", "not copied: /home/TemplateUser/.config/out: it is a link that leads out of the profile\n" + success, 0},
		{"set -e; cp -a /disk/etc/skel /disk/home/newcomer; chroot /disk chown -R newcomer /home/newcomer; cd /disk/home/newcomer; find . | sort; chroot /disk stat -c '%U %a' /home/newcomer/.config/editor /etc/skel/.config; cat .config/editor", ".\n./.config\n./.config/editor\nnewcomer 644\nroot 755\ndark", 0},
		{"echo mine > /disk/home/TemplateUser/notes; echo light > /disk/home/TemplateUser/.config/editor", "", 0},
		{assistant + `reset-user-profile --profile '.\TemplateUser'`, success, 0},
		{"cd /disk/home/TemplateUser; find . | sort; cat .config/editor; chroot /disk stat -c %U /home/TemplateUser/.config", ".\n./.config\n./.config/editor\ndark\nTemplateUser", 0},
		{assistant + `reset-user-profile --profile 'CORP\ann'`, `{"status":1,"message":"Cannot copy a domain user when not joined to a domain"}`, 1},
	} {
		if out, code := h.inside(machine, c.command); out != c.want && c.want != "" || code != c.code {
			h.t.Errorf("%s: exit %d: %s", c.command, code, out)
		}
	}
}

// byProfile is the environment of a login shell that names the profile.
const byProfile = ". /etc/profile.d/appstream_machine_role.sh; AWS_PROFILE=appstream_machine_role "

// roleProfile lets a program of AWS's SDK in the guest find the credentials of the
// machine's role by the name of their profile.
func (h *house) roleProfile(machine string) {
	h.t.Helper()
	h.roleIsAnnounced(machine)
	begun := time.Now()
	h.send(machine, rig.ForGuest(h.t, "test/vm/whoami"), "/tmp/whoami")
	h.t.Logf("a program of the SDK is in the guest after %.1f s", time.Since(begun).Seconds())
	if out, code := h.inside(machine, byProfile+"/tmp/whoami"); code != 0 || !strings.Contains(out, ":assumed-role/mover/i-") {
		h.t.Errorf("who it is, by the profile: exit %d: %s", code, out)
	}
	if out, code := h.inside(machine, byProfile+"AWS_CONFIG_FILE=/none /tmp/whoami"); code == 0 || !strings.Contains(out, "appstream_machine_role") {
		h.t.Errorf("without the file that has the profile: exit %d: %s", code, out)
	}
}

func (h *house) roleIsAnnounced(machine string) {
	h.t.Helper()
	rig.Until(h.t, time.Minute, "the role's profile is there", func() (bool, error) {
		_, status := h.inside(machine, "test -s /etc/profile.d/appstream_machine_role.sh")
		return status == 0, nil
	})
}

// noRoleProfile wants a guest without a role to have no profile, and to be refused.
func (h *house) noRoleProfile(machine string) {
	h.t.Helper()
	rig.Until(h.t, time.Minute, "the guest tool is there", func() (bool, error) {
		_, status := h.inside(machine, "test -S /run/slipway-guest.sock")
		return status == 0, nil
	})
	if out, code := h.inside(machine, "/usr/local/sbin/slipway-guest role-credentials"); code != 1 || !strings.Contains(out, "has no IAM role") {
		h.t.Errorf("credentials without a role: exit %d: %s", code, out)
	}
	if out, code := h.inside(machine, "ls /run/slipway-guest/aws-config /etc/profile.d/appstream_machine_role.sh"); code == 0 {
		h.t.Errorf("a profile without a role: %s", out)
	}
}
