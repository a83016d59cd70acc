package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/toolserve/toolserve/internal/sandbox/internal/spawn"
)

// spaces are the namespaces that a process is given. In them files that it may not write cannot be changed in
// any other way either, it sees no process but its own, and all of them end with it.
type spaces struct {
	flags uintptr
	// proc says that it gets a /proc of its own, which shows its own processes alone.
	proc bool
	// gate says that the network of its own has a listener, which this process accepts on.
	gate bool
}

// findSpaces returns the namespaces that this machine lets a process have, by trying, or why it has none.
func findSpaces(n Network) (spaces, error) {
	s := spaces{flags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC, proc: true}
	if !hasCapability(unix.CAP_SYS_ADMIN) {
		s.flags |= unix.CLONE_NEWUSER
	}
	if s.gate = n.Hosts != nil; s.gate || n.none() && !n.Unix {
		s.flags |= unix.CLONE_NEWNET
	}
	err := s.try()
	if err == nil {
		return s, nil
	}
	// In a container that hides parts of /proc, no other may be mounted; a network may be forbidden alone.
	less := s
	less.flags, less.gate = less.flags&^unix.CLONE_NEWNET, false
	for _, other := range []spaces{s, less} {
		for _, other.proc = range []bool{true, false} {
			if other != s && other.try() == nil {
				return other, nil
			}
		}
	}
	return spaces{}, err
}

// try makes the namespaces and ends.
func (s spaces) try() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := &spawn.Process{Namespaces: s.flags}
	s.prepare(&p.Prepare)
	if s.gate {
		listenAtGate(&p.Prepare, new(int32))
	}
	s.mountAll(&p.Run, nil, nil)
	started, err := spawn.Start(p)
	if err != nil {
		return err
	}
	started.Reap()
	return nil
}

func hasCapability(number int) bool {
	var have [2]unix.CapUserData
	err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &have[0])
	return err == nil && have[number/32].Effective&(1<<(number%32)) != 0
}

// names returns the namespaces in words.
func (s spaces) names() []string {
	var names []string
	for _, space := range []struct {
		flag uintptr
		name string
	}{
		{unix.CLONE_NEWUSER, "user"}, {unix.CLONE_NEWNS, "mount"}, {unix.CLONE_NEWPID, "pid"},
		{unix.CLONE_NEWIPC, "ipc"}, {unix.CLONE_NEWNET, "net"},
	} {
		if s.flags&space.flag != 0 {
			names = append(names, space.name)
		}
	}
	return names
}

// missing says what these namespaces cannot hold back.
func (s spaces) missing() []string {
	if s.flags&unix.CLONE_NEWUSER == 0 && !s.countsProcesses() {
		return []string{"the number of processes, which the kernel bounds for root from Linux 6.14"}
	}
	return nil
}

// countsProcesses reports whether the namespace has a bound of its own. Before Linux 6.14 the one that it
// shows is that of the whole machine.
func (s spaces) countsProcesses() bool {
	var name unix.Utsname
	if !s.proc || unix.Uname(&name) != nil {
		return false
	}
	release := strings.SplitN(unix.ByteSliceToString(name.Release[:]), ".", 3)
	if len(release) < 2 {
		return false
	}
	major, _ := strconv.Atoi(release[0])
	minor, _ := strconv.Atoi(strings.FieldsFunc(release[1], func(r rune) bool { return r < '0' || r > '9' })[0])
	return major > 6 || major == 6 && minor >= 14
}

// prepare makes the user of a namespace of users the one that it is outside.
func (s spaces) prepare(c *spawn.Calls) {
	if s.flags&unix.CLONE_NEWUSER == 0 {
		return
	}
	write := func(path, text string) {
		fd := new(int32)
		c.Add("open "+path, unix.SYS_OPENAT, atCWD(), c.Text(path), unix.O_WRONLY|unix.O_CLOEXEC).Store(fd)
		c.Add("write "+path, unix.SYS_WRITE, 0, c.Text(text), uintptr(len(text))).From(0, fd)
		c.Add("close "+path, unix.SYS_CLOSE, 0).From(0, fd)
	}
	write("/proc/self/setgroups", "deny")
	write("/proc/self/uid_map", fmt.Sprintf("%d %d 1", os.Geteuid(), os.Geteuid()))
	write("/proc/self/gid_map", fmt.Sprintf("%d %d 1", os.Getegid(), os.Getegid()))
}

// atCWD is AT_FDCWD as an argument.
func atCWD() uintptr { return ^uintptr(99) }

// mounts makes the file tree read-only but for what is granted, and lets the process see itself in /proc.
func (p *plan) mounts(run *spawn.Calls) {
	if p.spaces.flags == 0 {
		return
	}
	var own []string
	if p.confinement.SharedMemory {
		own = []string{"/dev/shm"}
	}
	p.spaces.mountAll(run, p.confinement.Write, own)
	for _, path := range p.covered {
		cover(run, path)
	}
	if p.rules == nil {
		return
	}
	allow := func(path string, write bool) {
		rule := p.rules.Later(write)
		run.Add("open "+path, unix.SYS_OPENAT, atCWD(), run.Text(path), unix.O_PATH|unix.O_CLOEXEC).Store(&rule.FD)
		run.Add("allow "+path, unix.SYS_LANDLOCK_ADD_RULE, uintptr(p.rules.FD()), unix.LANDLOCK_RULE_PATH_BENEATH, spawn.Data(run, rule), 0)
	}
	if p.spaces.proc {
		allow("/proc", false)
	}
	for _, path := range own {
		allow(path, true)
	}
}

// mountAll makes everything read-only but the paths in write, and mounts memory at the paths in memory.
func (s spaces) mountAll(run *spawn.Calls, write, memory []string) {
	run.Add("keep mounts apart", unix.SYS_MOUNT, 0, run.Text("/"), 0, unix.MS_REC|unix.MS_PRIVATE, 0)
	open := writable(write)
	if !slices.Contains(open, "/") {
		trees := make([]int32, len(open))
		for i, path := range open {
			trees[i] = -1
			run.Add("take "+path, unix.SYS_OPEN_TREE, atCWD(), run.Text(path),
				unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE).Store(&trees[i]).MayFail()
		}
		attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		run.Add("make the file tree read-only", unix.SYS_MOUNT_SETATTR, atCWD(), run.Text("/"), unix.AT_RECURSIVE,
			spawn.Data(run, attr), unsafe.Sizeof(*attr))
		for i, path := range open {
			// One that is gone by now grants nothing.
			run.Add("put back "+path, unix.SYS_MOVE_MOUNT, 0, run.Text(""), atCWD(), run.Text(path), unix.MOVE_MOUNT_F_EMPTY_PATH).
				From(0, &trees[i]).MayFail()
		}
	}
	for _, path := range memory {
		run.Add("mount "+path, unix.SYS_MOUNT, run.Text("tmpfs"), run.Text(path), run.Text("tmpfs"),
			unix.MS_NOSUID|unix.MS_NODEV, run.Text("mode=1777,size=1g")).MayFail()
	}
	if s.proc {
		run.Add("mount /proc", unix.SYS_MOUNT, run.Text("proc"), run.Text("/proc"), run.Text("proc"),
			unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, 0)
	}
}

// cover puts something that cannot be opened over a file, and an empty directory over a directory.
func cover(run *spawn.Calls, path string) {
	info, err := os.Lstat(path)
	if err != nil {
		return
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC}
	if info.IsDir() {
		run.Add("cover "+path, unix.SYS_MOUNT, run.Text("tmpfs"), run.Text(path), run.Text("tmpfs"), 0, run.Text("mode=500,size=4k"))
	} else {
		// On a mount without devices, a device cannot be opened.
		run.Add("cover "+path, unix.SYS_MOUNT, run.Text(os.DevNull), run.Text(path), 0, unix.MS_BIND, 0)
	}
	run.Add("close "+path, unix.SYS_MOUNT_SETATTR, atCWD(), run.Text(path), 0, spawn.Data(run, attr), unsafe.Sizeof(*attr))
}

// writable returns where the paths really lie, those above first. Devices, pipes and sockets can be written
// to wherever they are mounted.
func writable(paths []string) []string {
	var own []string
	for _, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			continue
		}
		if info, err := os.Stat(real); err == nil && (info.IsDir() || info.Mode().IsRegular()) {
			own = append(own, real)
		}
	}
	slices.Sort(own)
	return slices.Compact(own)
}

// mendSpaces says what would let this machine make namespaces.
func mendSpaces() string {
	for path, setting := range map[string][2]string{
		"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": {"1\n", "let AppArmor allow namespaces of users: a profile with \"userns,\" for this program, or the setting kernel.apparmor_restrict_unprivileged_userns=0"},
		"/proc/sys/kernel/unprivileged_userns_clone":             {"0\n", "allow namespaces of users: the setting kernel.unprivileged_userns_clone=1"},
		"/proc/sys/user/max_user_namespaces":                     {"0\n", "allow namespaces of users: the setting user.max_user_namespaces=10000"},
	} {
		if data, err := os.ReadFile(path); err == nil && string(data) == setting[0] {
			return setting[1]
		}
	}
	return "allow namespaces: in a container they take a wider seccomp profile"
}
