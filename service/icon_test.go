package service

import (
	"strings"
	"testing"
	"time"
)

func TestIconAddresses(t *testing.T) {
	now := time.Date(2026, 11, 21, 1, 30, 0, 0, time.UTC)
	i := &Icons{Key: []byte("secret"), Base: "http://h/", Now: func() time.Time { return now }}
	digest := strings.Repeat("ab", 32)
	url := i.URL(digest)
	token, ok := strings.CutPrefix(url, "http://h/")
	if got, err := i.Digest(token); !ok || err != nil || got != digest {
		t.Fatalf("%s: %s %v", url, got, err)
	}
	if now = now.Add(time.Minute); i.URL(digest) != url {
		t.Error("the address changes every minute")
	}
	other := &Icons{Key: []byte("other"), Now: i.Now}
	for _, bad := range []string{"", "x", token[:len(token)-2], "A" + token[1:]} {
		if _, err := i.Digest(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := other.Digest(token); err == nil {
		t.Error("another server's address is taken")
	}
	if now = now.Add(3 * time.Hour); true {
		if _, err := i.Digest(token); err == nil {
			t.Error("an old address is taken")
		}
	}
	if i.URL("") != "" || i.URL("zz") != "" || (*Icons)(nil).URL(digest) != "" {
		t.Error("an icon that is not there has an address")
	}
}
