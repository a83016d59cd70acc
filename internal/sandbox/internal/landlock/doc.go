// Package landlock restricts one thread, and the processes it starts, with the Landlock security module
// of Linux. It does not touch the other threads of the process, and it says what the kernel's version
// of Landlock cannot hold back.
package landlock
