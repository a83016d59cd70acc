// Package landlock builds rules for the Landlock security module of Linux, which restricts a process and all
// that it starts, and says what the kernel's version of Landlock cannot hold back.
package landlock
