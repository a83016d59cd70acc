//go:build unix

package audit

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const writerVariable = "TOOLSERVE_TEST_AUDIT_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerVariable); path != "" {
		writeForEver(path)
		return
	}
	os.Exit(m.Run())
}

// writeForEver appends records from several goroutines, rotates often, and prints the number of each record
// that was acknowledged.
func writeForEver(path string) {
	l, err := Open(Options{Path: path, MaxBytes: 3000, MaxFiles: -1})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for worker := range 3 {
		go func() {
			for i := 0; ; i++ {
				note := fmt.Sprintf("%d/%d", worker, i)
				if err := l.Append(Record{Kind: KindCall, Server: "s", Tool: "t", Note: note, Success: true}); err != nil {
					fmt.Println("error", err)
				}
				fmt.Println("note " + note)
			}
		}()
	}
	select {}
}

// TestKilledProcess kills a writer at any point, again and again on the same file: what it acknowledged is
// there, and the chain holds from the first record to the last.
func TestKilledProcess(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	acknowledged := map[string]int{}
	for round := range 15 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), writerVariable+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		left := 1 + rand.IntN(200)
		for lines.Scan() {
			note, ok := strings.CutPrefix(lines.Text(), "note ")
			if !ok {
				t.Fatalf("the writer says %q", lines.Text())
			}
			acknowledged[strconv.Itoa(round)+" "+note] = round
			if left--; left == 0 {
				time.Sleep(time.Duration(rand.IntN(500)) * time.Microsecond)
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		l, err := Open(Options{Path: path, MaxFiles: -1})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		// The rounds write the same notes; this one tells where each begins.
		if err := l.Append(Record{Kind: KindServer, Note: "round " + strconv.Itoa(round)}); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := VerifyFile(path); err != nil {
		t.Fatal(err)
	}
	for _, note := range missing(t, path, acknowledged) {
		t.Errorf("record %q was acknowledged and is lost", note)
	}
}

// missing returns the acknowledged notes that no file holds.
func missing(t *testing.T, path string, acknowledged map[string]int) []string {
	t.Helper()
	files, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	number := func(name string) int {
		n, _ := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(name, path), "."))
		return n
	}
	for i := range files { // oldest first
		for j := i + 1; j < len(files); j++ {
			if number(files[i]) < number(files[j]) {
				files[i], files[j] = files[j], files[i]
			}
		}
	}
	round := 0
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			_, rest, _ := strings.Cut(line, `"note":"`)
			note, _, _ := strings.Cut(rest, `"`)
			if strings.HasPrefix(note, "round ") {
				round++
				continue
			}
			delete(acknowledged, strconv.Itoa(round)+" "+note)
		}
	}
	lost := make([]string, 0, len(acknowledged))
	for note := range acknowledged {
		lost = append(lost, note)
	}
	return lost
}
