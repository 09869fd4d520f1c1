package tool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway/guest"
)

// files makes what an application may need.
func files(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	picture := func(side int) []byte {
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	bmp := append([]byte("BM"), make([]byte, 24)...)
	bmp[14], bmp[18], bmp[22] = 40, 16, 16
	for name, b := range map[string][]byte{
		"my app.exe": nil, "app.sh": nil, "good.png": picture(256), "large.png": picture(257), "bad.png": []byte("no picture"), "good.bmp": bmp, "icon.gif": nil,
		"manifest.txt": []byte("\ufeff" + dir + "/app.sh\r\n\r\n" + dir + "/good.png\n"), "broken.txt": []byte(dir + "/app.sh\n" + dir + "/gone\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// assistant runs the command line in front of a host that keeps what it is asked.
type assistant struct {
	Assistant
	out   bytes.Buffer
	asked []string
}

func newAssistant(answer guest.Answer, err error) *assistant {
	a := &assistant{}
	a.Assistant = Assistant{Version: "v1", Out: &a.out, Admin: func() bool { return true },
		Ask: func(_ context.Context, name string, args any) (guest.Answer, error) {
			b, _ := json.Marshal(args)
			a.asked = append(a.asked, name+" "+string(b))
			return answer, err
		}}
	return a
}

func TestAssistantRefuses(t *testing.T) {
	dir := files(t)
	app := func(args ...string) []string {
		return append([]string{"add-application", "--name", "a", "--absolute-app-path", dir + "/my app.exe"}, args...)
	}
	for want, args := range map[string][]string{
		"File not found (absolute-app-path)":                                                  {"add-application", "--name", "a", "--absolute-app-path", dir + "/none.exe"},
		"Unsupported file extension":                                                          {"add-application", "--name", "a", "--absolute-app-path", dir + "/app.sh"},
		"Directory not found (working-directory)":                                             app("--working-directory", dir+"/app.sh"),
		"Optimization-manifest not found: /none":                                              app("--absolute-manifest-path", "/none"),
		"File not found: " + dir + "/gone":                                                    app("--absolute-manifest-path", dir+"/broken.txt"),
		"File not found (absolute-icon-path)":                                                 app("--absolute-icon-path", dir+"/none.png"),
		"Unsupported file extension (absolute-icon-path)":                                     app("--absolute-icon-path", dir+"/icon.gif"),
		"Invalid icon (absolute-icon-path): it must be a picture of at most 256 x 256 pixels": app("--absolute-icon-path", dir+"/large.png"),
		"Invalid value (name)":                                                                {"add-application", "--name", "a b", "--absolute-app-path", dir + "/my app.exe"},
		"The parameter --name is required":                                                    {"remove-application"},
		"The parameter --name needs a value":                                                  {"remove-application", "--name"},
		"The parameter --name is given twice":                                                 {"remove-application", "--name", "a", "--name", "b"},
		"Unknown parameter: --force":                                                          {"remove-application", "--name", "a", "--force"},
		"The parameter --dry-run takes no value":                                              {"create-image", "--name", "a", "--dry-run=1"},
		"Invalid value (tags)":                                                                {"create-image", "--name", "a", "--tags", "k", "v", "k2"},
		"Unknown operation: fly":                                                              {"fly"},
		"The parameters --use-latest-agent-version and --no-use-latest-agent-version exclude each other": {"create-image", "--name", "a", "--use-latest-agent-version", "--no-use-latest-agent-version"},
	} {
		a := newAssistant(guest.OK, nil)
		a.Windows = true
		code := a.Run(t.Context(), args)
		var got guest.Answer
		if err := json.Unmarshal(a.out.Bytes(), &got); err != nil || code != 1 || got.Status != 1 || got.Message != want {
			t.Errorf("%q: exit %d, %s", args, code, a.out.String())
		}
		if len(a.asked) > 0 {
			t.Errorf("%q was asked: %q", args, a.asked)
		}
	}
	a := newAssistant(guest.OK, nil)
	a.Admin = func() bool { return false }
	if code := a.Run(t.Context(), []string{"list-applications"}); code != 1 || !strings.Contains(a.out.String(), "Administrator privileges are required to perform this operation") {
		t.Errorf("%d, %s", code, a.out.String())
	}
}

func TestAssistantAsks(t *testing.T) {
	dir := files(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"add-application", "--name", "a", "--absolute-app-path", dir + "/my app.exe", "--absolute-icon-path=" + dir + "/good.bmp", "--launch-parameters", "--fast", "--working-directory", dir, "--absolute-manifest-path", dir + "/manifest.txt"},
			`add-application {"name":"a","display-name":"my_app","absolute-app-path":"` + dir + `/my app.exe","absolute-icon-path":"` + dir + `/good.bmp","working-directory":"` + dir + `","launch-parameters":"--fast","absolute-manifest-path":"` + dir + `/manifest.txt"}`},
		{[]string{"remove-application", "--name", "a"}, `remove-application {"name":"a"}`},
		{[]string{"create-image", "--name", "i", "--tags", "k", "v", "k2", "", "--description", "d", "--display-name", "n", "--enable-dynamic-app-catalog", "--no-use-latest-agent-version", "--dry-run"},
			`create-image {"name":"i","description":"d","display-name":"n","enable-dynamic-app-catalog":true,"tags":{"k":"v","k2":""},"dry-run":true}`},
	} {
		a := newAssistant(guest.OK, nil)
		code := a.Run(t.Context(), c.args)
		if code != 0 || a.out.String() != `{"status":0,"message":"Success"}`+"\n" || len(a.asked) != 1 || a.asked[0] != c.want {
			t.Errorf("%q: exit %d, %s; asked %q", c.args, code, a.out.String(), a.asked)
		}
	}
	a := newAssistant(guest.Refused("App not found"), nil)
	if code := a.Run(t.Context(), []string{"remove-application", "--name", "a"}); code != 1 || a.out.String() != `{"status":1,"message":"App not found"}`+"\n" {
		t.Errorf("%d, %s", code, a.out.String())
	}
	a = newAssistant(guest.Answer{}, errors.New("no port"))
	if code := a.Run(t.Context(), []string{"create-image", "--name", "a"}); code != 255 {
		t.Errorf("%d, %s", code, a.out.String())
	}
}

func TestAssistantListsPages(t *testing.T) {
	pages := map[string]guest.Answer{
		"":  {Message: "Success", Applications: []guest.Application{{Name: "a", Path: "/a"}}, Next: "a"},
		"a": {Message: "Success", Applications: []guest.Application{{Name: "b", Path: "/b"}}},
	}
	a := newAssistant(guest.OK, nil)
	a.Ask = func(_ context.Context, _ string, args any) (guest.Answer, error) {
		return pages[args.(guest.Named).Name], nil
	}
	want := `{"status":0,"message":"Success","applications":[{"name":"a","absolute-app-path":"/a"},{"name":"b","absolute-app-path":"/b"}]}` + "\n"
	if code := a.Run(t.Context(), []string{"list-applications"}); code != 0 || a.out.String() != want {
		t.Errorf("%d, %s", code, a.out.String())
	}
	pages[""] = guest.Answer{Message: "Success"}
	a.out.Reset()
	if a.Run(t.Context(), []string{"list-applications"}); a.out.String() != `{"status":0,"message":"Success","applications":[]}`+"\n" {
		t.Errorf("none: %s", a.out.String())
	}
}

func TestAssistantHelps(t *testing.T) {
	a := newAssistant(guest.OK, nil)
	if code := a.Run(t.Context(), []string{"help"}); code != 0 {
		t.Error(code)
	}
	for _, op := range operations() {
		if !strings.Contains(a.out.String(), "  "+op.name+"\n") {
			t.Errorf("%s is not in the help", op.name)
		}
	}
	a.out.Reset()
	if code := a.Run(t.Context(), []string{"add-application", "--help"}); code != 0 || !strings.Contains(a.out.String(), "--absolute-app-path") || strings.Contains(a.out.String(), "create-image") {
		t.Errorf("%d, %s", code, a.out.String())
	}
}
