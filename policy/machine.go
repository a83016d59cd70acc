package policy

import "io/fs"

// Machine is how the rules look at files. [LocalMachine] is the real one.
type Machine interface {
	// LookPath finds a program as the child would be started: an absolute path.
	LookPath(command string) (string, error)
	// Stat describes the file at an absolute path with its symbolic links followed.
	Stat(path string) (FileInfo, error)
	// ReadFile returns the first 64 KiB of a file.
	ReadFile(path string) ([]byte, error)
}

// FileInfo is what the rules want to know about a file.
type FileInfo struct {
	// Path is the file's own path, without symbolic links.
	Path string
	Mode fs.FileMode
	// Foreign says that the file belongs to a user who is neither this one nor root.
	Foreign bool
}
