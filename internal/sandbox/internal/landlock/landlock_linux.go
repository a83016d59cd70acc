package landlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The versions of Landlock's interface that brought something.
const (
	abiRefer       = 2 // Linux 5.19: files may be renamed between directories
	abiTruncate    = 3 // Linux 6.2
	abiNetwork     = 4 // Linux 6.7
	abiIoctl       = 5 // Linux 6.10
	abiScope       = 6 // Linux 6.12: signals, abstract sockets
	abiResolveUnix = 9 // connecting to a socket by its path
)

// ruleNetPort is the kind of a rule about a port; the other kind is unix.LANDLOCK_RULE_PATH_BENEATH.
const ruleNetPort = 2

const (
	readFile = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE
	readDir  = readFile | unix.LANDLOCK_ACCESS_FS_READ_DIR

	writeFile = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	writeDir  = writeFile | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER |
		unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX

	namedDir = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE

	// never are rights that no path is granted: device nodes.
	never = unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK
	all   = readDir | writeDir | never
)

// ABI returns the version of Landlock's interface that the kernel offers, or 0 for none.
func ABI() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// ResolvesUnix reports whether the kernel can hold back connections to sockets by their path.
func ResolvesUnix(abi int) bool { return abi >= abiResolveUnix }

// HoldsTCP reports whether the kernel can hold back TCP connections by their port.
func HoldsTCP(abi int) bool { return abi >= abiNetwork }

// Options is what a thread may still do.
type Options struct {
	// Read are files and directories that may be read and executed, with all that is beneath. Write
	// may be written as well. What does not exist is left out.
	Read, Write []string
	// Hide are files and directories, where they really lie, that are not granted although they lie beneath one
	// of Read: what lies beside them and on the way is granted in their place, as it is now.
	Hide []string
	// Named are directories whose files may be made and used, but not listed.
	Named []string
	// HoldTCP allows TCP connections to Ports alone, and to be connected to not at all.
	HoldTCP bool
	Ports   []uint16
	// AllowUnix leaves connections to sockets by their path alone.
	AllowUnix bool
}

// Ruleset is a set of rules ready to be applied.
type Ruleset struct {
	fd        int
	handledFS uint64
	// Missing says what the kernel cannot hold back of what was asked.
	Missing []string
}

type rulesetAttr struct {
	handledFS, handledNet, scoped uint64
}

type netPortAttr struct {
	allowed, port uint64
}

// New builds the rules. The kernel must offer Landlock: see [ABI].
func New(opts Options) (*Ruleset, error) {
	abi := ABI()
	attr, missing := handled(opts, abi)
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return nil, fmt.Errorf("landlock: create the rules: %w", errno)
	}
	r := &Ruleset{fd: int(fd), handledFS: attr.handledFS, Missing: missing}
	if err := r.addAll(opts, attr); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// handled returns what the rules are about: everything of opts that this version of Landlock knows.
func handled(opts Options, abi int) (attr rulesetAttr, missing []string) {
	attr.handledFS = all
	if abi < abiRefer {
		attr.handledFS &^= unix.LANDLOCK_ACCESS_FS_REFER // is then always denied
	}
	if abi < abiTruncate {
		attr.handledFS &^= unix.LANDLOCK_ACCESS_FS_TRUNCATE
		missing = append(missing, "emptying files that may not be written (needs Linux 6.2)")
	}
	if abi < abiIoctl {
		attr.handledFS &^= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if abi < abiResolveUnix || opts.AllowUnix {
		attr.handledFS &^= unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX
	}
	if opts.HoldTCP {
		attr.handledNet = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		if abi < abiNetwork {
			attr.handledNet = 0
			if len(opts.Ports) > 0 {
				missing = append(missing, "TCP connections to other ports (needs Linux 6.7)")
			}
		}
	}
	if abi >= abiScope && !opts.AllowUnix {
		attr.scoped |= unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	}
	if abi >= abiScope {
		attr.scoped |= unix.LANDLOCK_SCOPE_SIGNAL
	} else {
		missing = append(missing, "signals to other processes (needs Linux 6.12)")
	}
	return attr, missing
}

func (r *Ruleset) addAll(opts Options, attr rulesetAttr) error {
	left := maxBeside
	for _, path := range opts.Read {
		if err := r.addRead(path, opts.Hide, &left); err != nil {
			return err
		}
	}
	for _, path := range opts.Write {
		if err := r.addPath(path, (readDir|writeDir)&attr.handledFS, (readFile|writeFile)&attr.handledFS); err != nil {
			return err
		}
	}
	for _, path := range opts.Named {
		if err := r.addPath(path, namedDir&attr.handledFS, 0); err != nil {
			return err
		}
	}
	if attr.handledNet == 0 {
		return nil
	}
	for _, port := range opts.Ports {
		rule := netPortAttr{allowed: unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, port: uint64(port)}
		if err := r.add(ruleNetPort, unsafe.Pointer(&rule)); err != nil {
			return fmt.Errorf("landlock: allow port %d: %w", port, err)
		}
	}
	return nil
}

// maxBeside bounds the files that are granted one by one.
const maxBeside = 20_000

// addRead grants a path to be read, but for what is hidden. left is how many files more may be granted one by one.
func (r *Ruleset) addRead(path string, hide []string, left *int) error {
	dirRights, fileRights := readDir&r.handledFS, readFile&r.handledFS
	real, err := filepath.EvalSymlinks(path)
	if err != nil || !slices.ContainsFunc(hide, func(h string) bool { return beneath(h, real) }) {
		return r.addPath(path, dirRights, fileRights)
	}
	entries, err := os.ReadDir(real)
	if err != nil {
		return nil // then this process cannot read it either
	}
	if *left -= len(entries); *left < 0 {
		return fmt.Errorf("landlock: %s holds files that must stay hidden, and more than %d others: grant the folders in it that are needed", path, maxBeside)
	}
	// The names of what is beneath may be read; what is hidden has no secret name.
	if err := r.addPath(real, unix.LANDLOCK_ACCESS_FS_READ_DIR, 0); err != nil {
		return err
	}
	for _, entry := range entries {
		inside := filepath.Join(real, entry.Name())
		// A link grants nothing: what it leads to is granted where it lies.
		if entry.Type()&os.ModeSymlink != 0 || slices.Contains(hide, inside) {
			continue
		}
		if err := r.addRead(inside, hide, left); err != nil {
			return err
		}
	}
	return nil
}

func beneath(path, dir string) bool {
	return dir == "/" && path != "/" || strings.HasPrefix(path, dir+"/")
}

// addPath grants rights beneath a directory, or those that make sense for a file to one.
func (r *Ruleset) addPath(path string, dirRights, fileRights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOTDIR):
		return nil
	case err != nil:
		return fmt.Errorf("landlock: open: %w", &os.PathError{Op: "open", Path: path, Err: err})
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return fmt.Errorf("landlock: %w", &os.PathError{Op: "stat", Path: path, Err: err})
	}
	rule := Beneath{allowed: fileRights, FD: int32(fd)}
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		rule.allowed = dirRights
	}
	if rule.allowed == 0 {
		return nil
	}
	if err := r.add(unix.LANDLOCK_RULE_PATH_BENEATH, unsafe.Pointer(&rule)); err != nil {
		return fmt.Errorf("landlock: allow %s: %w", path, err)
	}
	return nil
}

func (r *Ruleset) add(kind uintptr, rule unsafe.Pointer) error {
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), kind, uintptr(rule), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// FD is the descriptor of the rules, for landlock_restrict_self.
func (r *Ruleset) FD() int { return r.fd }

// Beneath is a rule about a directory that is not there yet, such as one on a file system that a process will
// mount: once FD is a descriptor of it, landlock_add_rule takes the rule.
type Beneath struct {
	allowed uint64
	FD      int32
}

// Later returns a rule that grants what is beneath a directory to be read, or to be written as well.
func (r *Ruleset) Later(write bool) *Beneath {
	rights := uint64(unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR)
	if write {
		rights = readDir | writeDir
	}
	return &Beneath{allowed: rights & r.handledFS, FD: -1}
}

// Close releases the rules; processes that they were applied to stay restricted.
func (r *Ruleset) Close() { unix.Close(r.fd) }
