package seccomp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sockets says which sockets may be opened. The zero value allows none but pairs.
type Sockets struct {
	TCP  bool // of IP; where to is for another layer to say
	UDP  bool // of IP
	Unix bool
	// HoldTCP denies the ways to open a TCP connection that the other layer does not see.
	HoldTCP bool
}

// Offsets in the data that a filter looks at.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16 // the low half of the first argument, on a little-endian machine
)

const (
	retAllow = unix.SECCOMP_RET_ALLOW
	retKill  = unix.SECCOMP_RET_KILL_PROCESS
)

func retErrno(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }

// Available reports whether the kernel takes filters and this package knows the machine's calls.
func Available() bool {
	if !known {
		return false
	}
	action := uint32(retKill)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	return errno == 0
}

// Filter is a program for the kernel.
type Filter []unix.SockFilter

// New writes the filter. A call of another architecture ends the process; a denied call fails.
func New(sockets Sockets) Filter {
	f := Filter{load(offArch), jump(unix.BPF_JEQ, auditArch, 1, 0), ret(retKill), load(offNumber)}
	if foreignBit != 0 {
		f = append(f, jump(unix.BPF_JSET, foreignBit, 0, 1), ret(retKill))
	}
	for _, d := range denied() {
		f.on(d.number, ret(retErrno(d.errno)))
	}
	f.flags(unix.SYS_CLONE, 0, newNamespaces, unix.EPERM)
	f.flags(unix.SYS_UNSHARE, 0, newNamespaces|unix.CLONE_NEWTIME, unix.EPERM)
	f.on(unix.SYS_IOCTL, append(ifEqual(1, unix.TIOCSTI, retErrno(unix.EPERM)),
		append(ifEqual(1, unix.TIOCLINUX, retErrno(unix.EPERM)), ret(retAllow))...)...)
	f.on(unix.SYS_SOCKET, socket(sockets)...)
	if sockets.HoldTCP {
		// A connection opened by sending is not seen as one by every kernel.
		f.flags(unix.SYS_SENDTO, 3, unix.MSG_FASTOPEN, unix.EOPNOTSUPP)
		f.flags(unix.SYS_SENDMSG, 2, unix.MSG_FASTOPEN, unix.EOPNOTSUPP)
		f.flags(unix.SYS_SENDMMSG, 3, unix.MSG_FASTOPEN, unix.EOPNOTSUPP)
	}
	return append(f, ret(retAllow))
}

// newNamespaces are the flags that make a namespace. That of users would give back every capability.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// socket is the rule for socket(family, type, protocol), by what is allowed: families that are not
// named reach parts of the kernel, or the machine's host, that nobody needs.
func socket(s Sockets) []unix.SockFilter {
	family := load(offArgs)
	var rules []unix.SockFilter
	if s.Unix {
		rules = append(rules, family)
		rules = append(rules, ifEqual(0, unix.AF_UNIX, retAllow)...)
	}
	if s.TCP || s.UDP {
		route := []unix.SockFilter{load(offArgs + 16)}
		route = append(route, jump(unix.BPF_JEQ, unix.NETLINK_ROUTE, 0, 1), ret(retAllow), ret(retErrno(unix.EPROTONOSUPPORT)))
		rules = append(rules, family, jump(unix.BPF_JEQ, unix.AF_NETLINK, 0, uint8(len(route))))
		rules = append(rules, route...)
		ip := internet(s)
		rules = append(rules, family, jump(unix.BPF_JEQ, unix.AF_INET, 1, 0), jump(unix.BPF_JEQ, unix.AF_INET6, 0, uint8(len(ip))))
		rules = append(rules, ip...)
	}
	return append(rules, ret(retErrno(unix.EACCES)))
}

// internet is the rule for a socket of IP: TCP and UDP by their own protocols, nothing raw, and no
// protocol such as MPTCP that carries TCP past the other layer.
func internet(s Sockets) []unix.SockFilter {
	kind := []unix.SockFilter{load(offArgs + 8), {Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0xf}}
	protocol := func(number uint32) []unix.SockFilter {
		return []unix.SockFilter{
			load(offArgs + 16), jump(unix.BPF_JEQ, 0, 1, 0), jump(unix.BPF_JEQ, number, 0, 1),
			ret(retAllow), ret(retErrno(unix.EPROTONOSUPPORT)),
		}
	}
	var rules []unix.SockFilter
	add := func(socketType, number uint32) {
		body := protocol(number)
		rules = append(rules, kind...)
		rules = append(rules, jump(unix.BPF_JEQ, socketType, 0, uint8(len(body))))
		rules = append(rules, body...)
	}
	if s.TCP {
		add(unix.SOCK_STREAM, unix.IPPROTO_TCP)
	}
	if s.UDP {
		add(unix.SOCK_DGRAM, unix.IPPROTO_UDP)
	}
	return append(rules, ret(retErrno(unix.EACCES)))
}

// on adds a body that runs for one call. The body must return in every branch.
func (f *Filter) on(number uint32, body ...unix.SockFilter) {
	*f = append(*f, jump(unix.BPF_JEQ, number, 0, uint8(len(body))))
	*f = append(*f, body...)
}

// flags denies a call whose argument has any of some bits set.
func (f *Filter) flags(number uint32, arg int, bits uint32, e unix.Errno) {
	f.on(number, load(uint32(offArgs+8*arg)), jump(unix.BPF_JSET, bits, 0, 1), ret(retErrno(e)), ret(retAllow))
}

// ifEqual returns a value when an argument equals one, and else goes on.
func ifEqual(arg int, value, result uint32) []unix.SockFilter {
	return []unix.SockFilter{load(uint32(offArgs + 8*arg)), jump(unix.BPF_JEQ, value, 0, 1), ret(result)}
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func jump(test uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, K: k, Jt: yes, Jf: no}
}

func ret(value uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: value}
}

// Program returns the filter as the kernel takes it. It keeps the filter alive.
func (f Filter) Program() *unix.SockFprog {
	return &unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}
}
