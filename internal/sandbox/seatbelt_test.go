package sandbox

import (
	"strings"
	"testing"
)

func TestSeatbelt(t *testing.T) {
	got := seatbelt(&Confinement{Read: []string{`/r "x\y`}, Write: []string{"/w"}, Network: Network{Ports: []uint16{443}, DNS: true}})
	for _, want := range []string{
		"(version 1)\n(deny default)\n",
		`(allow file-read* (subpath "/r \"x\\y"))`,
		`(allow file-read* file-write* (subpath "/w"))`,
		`(allow network-outbound (remote tcp "*:443"))`,
		`(allow network-outbound (remote udp "*:53"))`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "network*") {
		t.Errorf("the whole network is allowed:\n%s", got)
	}
}

func TestNetworkInWords(t *testing.T) {
	for want, n := range map[string]Network{
		"none": {}, "all": {All: true}, "443,8080,dns": {Ports: []uint16{443, 8080}, DNS: true}, "all,unix": {All: true, Unix: true}, "unix": {Unix: true},
	} {
		if got := n.String(); got != want {
			t.Errorf("%+v is %q, want %q", n, got, want)
		}
	}
}
