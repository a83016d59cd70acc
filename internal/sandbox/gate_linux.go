package sandbox

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/toolserve/toolserve/internal/sandbox/internal/spawn"
)

// listenAtGate brings up the loopback interface of a new network and listens there, at [gatePort]. The
// listener's descriptor is stored in fd.
func listenAtGate(c *spawn.Calls, fd *int32) {
	up := &struct {
		name  [unix.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{name: [unix.IFNAMSIZ]byte{'l', 'o'}, flags: unix.IFF_UP | unix.IFF_RUNNING}
	address := &unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{127, 0, 0, 1}}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&address.Port))[:], gatePort)
	c.Add("open a socket", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0).Store(fd)
	c.Add("bring up the loopback interface", unix.SYS_IOCTL, 0, unix.SIOCSIFFLAGS, spawn.Data(c, up)).From(0, fd)
	c.Add("bind the proxy's address", unix.SYS_BIND, 0, spawn.Data(c, address), unsafe.Sizeof(*address)).From(0, fd)
	c.Add("listen for the proxy", unix.SYS_LISTEN, 0, 128).From(0, fd)
}

// gate hands the listener of a process's own network to this process. Nil does nothing.
type gate struct{ ours, theirs int }

// newGate returns nil for namespaces without a gate.
func (s spaces) newGate() (*gate, error) {
	if !s.gate {
		return nil, nil
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("sandbox: a way to the network of a process: %w", err)
	}
	return &gate{pair[0], pair[1]}, nil
}

// prepare makes the listener and sends it, before the program's process is there.
func (g *gate) prepare(c *spawn.Calls) {
	if g == nil {
		return
	}
	// A message that carries a descriptor, as struct cmsghdr and its data lie in memory.
	control := &struct {
		head unix.Cmsghdr
		fd   int32
		_    int32
	}{head: unix.Cmsghdr{Level: unix.SOL_SOCKET, Type: unix.SCM_RIGHTS}}
	control.head.SetLen(unix.CmsgLen(4))
	data := new([1]byte)
	vector := &unix.Iovec{Base: &data[0]}
	vector.SetLen(1)
	message := &unix.Msghdr{Iov: vector, Control: (*byte)(unsafe.Pointer(control))}
	message.SetIovlen(1)
	message.SetControllen(unix.CmsgSpace(4))
	listenAtGate(c, &control.fd)
	c.Add("hand over the listener", unix.SYS_SENDMSG, uintptr(g.theirs), spawn.Data(c, message), 0)
	spawn.Data(c, control)
	spawn.Data(c, vector)
	spawn.Data(c, data)
}

// receive returns the listener that was sent.
func (g *gate) receive() (net.Listener, error) {
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(g.ours, make([]byte, 1), control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("sandbox: the listener in the network of a process: %w", err)
	}
	var fds []int
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err == nil && len(messages) == 1 {
		fds, err = unix.ParseUnixRights(&messages[0])
	}
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("sandbox: the listener in the network of a process was not sent (%v)", err)
	}
	file := os.NewFile(uintptr(fds[0]), "listener")
	defer file.Close()
	return net.FileListener(file)
}

func (g *gate) close() {
	if g == nil {
		return
	}
	unix.Close(g.ours)
	unix.Close(g.theirs)
}
