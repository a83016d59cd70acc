package landlock

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOldKernels(t *testing.T) {
	tests := map[int]struct {
		missing []string
		never   uint64 // rights that must not be asked for
	}{
		1:  {missing: []string{"emptying", "TCP", "signals"}, never: unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
		2:  {missing: []string{"emptying", "TCP", "signals"}, never: unix.LANDLOCK_ACCESS_FS_TRUNCATE},
		3:  {missing: []string{"TCP", "signals"}, never: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
		4:  {missing: []string{"signals"}, never: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
		5:  {missing: []string{"signals"}, never: unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX},
		6:  {never: unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX},
		7:  {never: unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX},
		9:  {},
		99: {},
	}
	for abi, test := range tests {
		attr, missing := handled(Options{HoldTCP: true, Ports: []uint16{443}}, abi)
		if len(missing) != len(test.missing) {
			t.Errorf("version %d: missing is %q", abi, missing)
			continue
		}
		for i, want := range test.missing {
			if !strings.Contains(missing[i], want) {
				t.Errorf("version %d: missing is %q, want %s", abi, missing, want)
			}
		}
		if attr.handledFS&test.never != 0 || (attr.handledNet != 0) != (abi >= 4) ||
			(attr.scoped&unix.LANDLOCK_SCOPE_SIGNAL != 0) != (abi >= 6) || (attr.scoped&unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET != 0) != (abi >= 6) {
			t.Errorf("version %d: asked for %+v", abi, attr)
		}
	}
	attr, _ := handled(Options{AllowUnix: true}, 9)
	if attr.handledFS&unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX != 0 || attr.handledNet != 0 || attr.scoped != unix.LANDLOCK_SCOPE_SIGNAL {
		t.Errorf("what is allowed is asked for: %+v", attr)
	}
}

func TestNewLeavesOutWhatIsNotThere(t *testing.T) {
	if ABI() == 0 {
		t.Skip("the kernel has no Landlock")
	}
	r, err := New(Options{Read: []string{"/no/such/path", "/etc/hosts/beneath", "/"}, Write: []string{t.TempDir()}, HoldTCP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if read, write := r.Later(false), r.Later(true); read.allowed == 0 || read.allowed&^write.allowed != 0 || write.allowed&^r.handledFS != 0 {
		t.Errorf("rules for later: %+v, %+v", read, write)
	}
}
