// Package spawn starts a process and lets it make a list of system calls before its program begins: what
// confines a program has to happen between fork and exec, in the process itself. With namespaces a second,
// idle process is the first of theirs; when it ends, the kernel ends all others.
//
// Between fork and exec the process shares this one's memory, and this thread waits. So nothing there may
// allocate, grow a stack or take a lock: the calls are prepared before, as data, and a small loop makes them.
package spawn
