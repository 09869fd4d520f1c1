package compute

import (
	"net/netip"
	"testing"
)

func TestNetworkChecked(t *testing.T) {
	for address, ok := range map[string]bool{
		"10.0.0.4/24": true, "10.0.0.254/24": true, "10.0.0.6/29": true, "172.31.255.254/16": true,
		"10.0.0.0/24": false, "10.0.0.1/24": false, "10.0.0.3/24": false, "10.0.0.255/24": false, "10.0.0.5/30": false, "10.0.0.5/7": false, "fd00::5/64": false, "::ffff:10.0.0.5/120": false,
	} {
		if err := (Network{Address: netip.MustParsePrefix(address)}).checked(); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
	for mac, ok := range map[string]bool{"": true, "0a:01:02:03:04:05": true, "0A:01:02:03:04:05": false, "01:01:02:03:04:05": false, "0a:01": false, "x": false, "0a-01-02-03-04-05": false} {
		if err := (Network{MAC: mac}).checked(); (err == nil) != ok {
			t.Errorf("%q: %v", mac, err)
		}
	}
	for name, ok := range map[string]bool{"": true, "ip-10-0-0-4": true, "a.b": false, "A": false, "a b": false} {
		if err := (Network{Hostname: name}).checked(); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
