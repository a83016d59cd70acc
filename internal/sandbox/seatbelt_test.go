package sandbox

import (
	"slices"
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

func TestBounded(t *testing.T) {
	got := bounded(Limits{Files: 7, FileSize: 1 << 20}, []string{"/usr/bin/sandbox-exec", "-p", `(version 1) "$(id)"`, "/bin/x", "; id"})
	want := []string{"/bin/sh", "-c", `ulimit -c 0; ulimit -n 7; ulimit -f 2048; exec "$@"`, "sh", "/usr/bin/sandbox-exec", "-p", `(version 1) "$(id)"`, "/bin/x", "; id"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// TestSeatbeltLevels holds the lines that decide about the network, for each kind of grant.
func TestSeatbeltLevels(t *testing.T) {
	for want, n := range map[string]Network{
		"": {},
		"(allow network* (remote ip) (local ip))":                   {All: true},
		"(allow network-outbound (remote tcp \"*:80\"))":            {Ports: []uint16{80}},
		"(allow network* (remote unix-socket) (local unix-socket))": {Unix: true},
	} {
		got := seatbelt(&Confinement{Network: n})
		if n := strings.Count(got, "network"); want == "" && n != 0 || want != "" && !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
		if !strings.Contains(got, "(deny default)") || strings.Contains(got, "(allow default)") {
			t.Errorf("more is allowed than is granted:\n%s", got)
		}
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
