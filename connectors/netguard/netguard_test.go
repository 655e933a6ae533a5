package netguard

import "testing"

func TestPublic(t *testing.T) {
	for s, want := range map[string]bool{
		"8.8.8.8:443": true, "[2a01:7080::1]:443": true,
		"127.0.0.1:443": false, "10.1.2.3:443": false, "172.16.0.1:443": false, "192.168.1.1:443": false, "169.254.169.254:80": false,
		"100.64.0.1:443": false, "0.0.0.0:443": false, "0.1.2.3:443": false, "224.0.0.1:443": false, "255.255.255.255:443": false, "198.18.0.1:443": false,
		"[::1]:443": false, "[::]:443": false, "[fe80::1]:443": false, "[fe80::1%eth0]:443": false, "[fd00::1]:443": false, "[ff02::1]:443": false,
		"[::ffff:127.0.0.1]:443": false, "[::ffff:10.0.0.1]:443": false, "[64:ff9b::7f00:1]:443": false, "[2002:7f00:1::]:443": false, "[2001:db8::1]:443": false, "[::7f00:1]:443": false,
		"nonsense": false,
	} {
		if got := publicOnly(t.Context(), "tcp", s, nil) == nil; got != want {
			t.Errorf("%s: got %v", s, got)
		}
	}
}

func TestInternal(t *testing.T) {
	for host, want := range map[string]bool{
		"smp.example.eu": false, "8.8.8.8": false, "smp.example.eu.": false,
		"localhost": true, "printer": true, "db.local": true, "x.internal": true, "10.0.0.1": true, "0x7f.1": true, "2130706433": true, "": true, "a..": true,
	} {
		if got := Internal(host); got != want {
			t.Errorf("%q: got %v", host, got)
		}
	}
}
