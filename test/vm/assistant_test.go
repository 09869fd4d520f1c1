package vm

import (
	"encoding/json"
	"fmt"
	"strings"

	"slipway/api/admin/adminapi"
	"slipway/test/rig"
)

// assisted makes the image "made" from inside the builder "b", with a file of its
// own and an application, and says what the Image Assistant answered on the way.
func (h *house) assisted(machine string) {
	h.t.Helper()
	rig.Until(h.t, bootLimit, "the guest tool is there", func() (bool, error) {
		var b adminapi.Builder
		err := json.Unmarshal([]byte(h.Must("builder", "show", "b", "--json")), &b)
		return b.Tool != "", err
	})
	if gib := h.grown(machine); gib < 190 {
		h.t.Errorf("the root file system has %d GiB", gib)
	}
	h.defaultProfile(machine)
	h.roleProfile(machine)
	const success = `{"status":0,"message":"Success"}`
	for _, c := range []struct {
		command, want string
		code          int
	}{
		{"echo made by hand > /disk/made-by-hand", "", 0},
		{"AppStreamImageAssistant add-application --name agent --absolute-app-path /usr/sbin/qemu-ga --display-name 'The agent' --launch-parameters=-V", success, 0},
		{"AppStreamImageAssistant add-application --name agent --absolute-app-path /usr/sbin/qemu-ga", `{"status":1,"message":"Name is not unique"}`, 1},
		{"AppStreamImageAssistant add-application --name none --absolute-app-path /usr/sbin/none", `{"status":1,"message":"File not found (absolute-app-path)"}`, 1},
		{"AppStreamImageAssistant list-applications", `{"status":0,"message":"Success","applications":[{"name":"agent","display-name":"The agent","absolute-app-path":"/usr/sbin/qemu-ga","launch-parameters":"-V"}]}`, 0},
		{"AppStreamImageAssistant create-image --name base --dry-run", `{"status":1,"message":"An image with the given name already exists"}`, 1},
		{"AppStreamImageAssistant create-image --name made --display-name Made --tags team red --dry-run", success, 0},
		{"AppStreamImageAssistant create-image --name made --display-name Made --tags team red", success, 0},
	} {
		if out, code := h.inside(machine, c.command); out != c.want || code != c.code {
			h.t.Errorf("%s: exit %d: %s", c.command, code, out)
		}
	}
}

// grown is how many GiB the guest's root file system has.
func (h *house) grown(machine string) (gib int) {
	h.t.Helper()
	out, _ := h.inside(machine, "df -k /disk | tail -n 1")
	var kib int
	if f := strings.Fields(out); len(f) > 1 {
		_, err := fmt.Sscan(f[1], &kib)
		h.ok(err)
	}
	return kib >> 20
}
