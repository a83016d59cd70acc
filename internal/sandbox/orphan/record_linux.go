package orphan

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// maxRecord bounds a record, and maxEnviron how much of an environment is looked through, in bytes.
	maxRecord, maxEnviron = 4 << 10, 1 << 20
	// maxRounds bounds how often a group is looked through for processes that were just made.
	maxRounds = 20
	suffix    = ".group"
)

// record is what the disk holds of a group. It is believed in nothing that could harm: what is killed must
// carry the token.
type record struct {
	// Group is the id of the group, Start when its leader was started, in ticks since the boot that Boot names.
	Group int    `json:"group"`
	Start uint64 `json:"start"`
	Boot  string `json:"boot"`
	// Owner is who started it, OwnerStart when that was started.
	Owner      int    `json:"owner"`
	OwnerStart uint64 `json:"owner_start"`
	// Token is the value of the variable that all processes of the group have.
	Token string `json:"token"`
	// Whole says that all processes with the token belong to it. Temp is its folder for temporary files, or "".
	Whole bool   `json:"whole,omitempty"`
	Temp  string `json:"temp,omitempty"`
}

// checkDir makes the folder of the records and sees to it that nobody else can write there.
func checkDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", dir)
	case !ok || int(stat.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to another user", dir)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others may write to %s; take that right away: chmod 700", dir)
	}
	return nil
}

func recordPath(dir string, id int) string { return filepath.Join(dir, strconv.Itoa(id)+suffix) }

func writeRecord(dir string, g Group) error {
	r := record{Group: g.ID, Owner: os.Getpid(), Token: g.Mark.token, Whole: g.Whole, Temp: g.Temp}
	var err error
	if r.Boot, err = bootID(); err != nil {
		return err
	}
	if r.Start, err = startOf(g.ID); err != nil {
		return err
	}
	if r.OwnerStart, err = startOf(r.Owner); err != nil {
		return err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	// A record that is there is of a group that is gone: its id is ours now.
	return os.WriteFile(recordPath(dir, g.ID), data, 0o600)
}

func removeRecord(dir string, id int) { _ = os.Remove(recordPath(dir, id)) }

// reapAll kills what is left of groups whose owner is dead, and removes their records.
func reapAll(dir string, logger *slog.Logger) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	boot, err := bootID()
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), suffix) || !entry.Type().IsRegular() {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		r, err := readRecord(path)
		if err == nil && r.Boot == boot && alive(r.Owner, r.OwnerStart) {
			continue
		}
		if err == nil && r.Boot == boot {
			if killed := r.reap(); killed > 0 {
				logger.Warn("processes of MCP servers were left behind and are killed", "group", r.Group, "processes", killed)
			}
		}
		if err == nil && r.Temp != "" {
			if err := r.removeTemp(); err != nil {
				logger.Warn("a folder for temporary files was left behind and is not removed", "folder", r.Temp, "error", err)
			}
		}
		_ = os.Remove(path)
	}
	return nil
}

func readRecord(path string) (r record, err error) {
	f, err := os.Open(path)
	if err != nil {
		return r, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, err
	}
	if token, err := hex.DecodeString(r.Token); err != nil || len(token) != 16 || r.Group <= 1 || r.Owner <= 0 {
		return r, errors.New("no record of a process group")
	}
	return r, nil
}

// removeTemp removes the folder for temporary files with all that it holds, if it is what the record says: a folder,
// and no link to one, of this user, whose name has the token in it. No link in it is followed.
func (r *record) removeTemp() error {
	name := filepath.Base(r.Temp)
	if !filepath.IsAbs(r.Temp) || !strings.HasPrefix(name, tempPrefix+r.Token[:tempToken]+"-") {
		return errors.New("its name is not that of a folder of the group")
	}
	parent, err := os.OpenRoot(filepath.Dir(r.Temp))
	if err != nil {
		return err
	}
	defer parent.Close()
	info, err := parent.Lstat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || int(stat.Uid) != os.Geteuid() {
		return errors.New("it is no folder of this user")
	}
	return parent.RemoveAll(name)
}

// reap kills the processes of the group that carry its token, and returns how many they were. The id alone
// would not tell: it may be that of another group by now.
func (r *record) reap() (killed int) {
	for range maxRounds {
		found := 0
		for _, pid := range r.members() {
			if killMember(pid, r) {
				found++
			}
		}
		if found == 0 {
			return killed
		}
		killed += found
	}
	return killed
}

// belongs reports whether a process with the token would be one of the group's.
func (r *record) belongs(s stat) bool { return s.state != "Z" && (r.Whole || s.group == r.Group) }

// members returns the processes that belong to the group, if they have its token.
func (r *record) members() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if s, err := statOf(pid); err == nil && r.belongs(s) && (!r.Whole || carries(pid, r.Token)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// killMember kills a process, if it is one of the group's. The process is held by a descriptor first, so
// that its id cannot become another's between the look and the kill.
func killMember(pid int, r *record) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	if s, err := statOf(pid); err != nil || !r.belongs(s) || !carries(pid, r.Token) {
		return false
	}
	return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) == nil
}

// carries reports whether a process was started with a token in its environment.
func carries(pid int, token string) bool {
	f, err := os.Open(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxEnviron))
	if err != nil {
		return false
	}
	for entry := range bytes.SplitSeq(data, []byte{0}) {
		if string(entry) == variable+"="+token {
			return true
		}
	}
	return false
}

// alive reports whether a process still is the one that was started at a time.
func alive(pid int, start uint64) bool {
	s, err := statOf(pid)
	return err == nil && s.start == start && s.state != "Z"
}

func startOf(pid int) (uint64, error) {
	s, err := statOf(pid)
	return s.start, err
}

// stat is what /proc/PID/stat says, see proc(5).
type stat struct {
	state string
	group int
	start uint64 // in ticks since the boot
}

func statOf(pid int) (s stat, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return s, err
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return s, fmt.Errorf("/proc/%d/stat cannot be read", pid)
	}
	s.state = fields[0]
	if s.group, err = strconv.Atoi(fields[2]); err != nil {
		return s, err
	}
	s.start, err = strconv.ParseUint(fields[19], 10, 64)
	return s, err
}

func bootID() (string, error) {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data)), err
}
