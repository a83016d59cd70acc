package toolcall

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestCompare writes calls with long arguments for other parsers to read, as FOLDER/texts, and what it takes
// to read them here, as FOLDER/toolserve.tsv: family, kind, KB, processor seconds.
func TestCompare(t *testing.T) {
	folder := os.Getenv("TOOLSERVE_COMPARE")
	if folder == "" {
		t.Skip("TOOLSERVE_COMPARE names no folder to write texts to")
	}
	if err := os.MkdirAll(filepath.Join(folder, "texts"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(folder, "toolserve.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for _, f := range Families() {
		for _, kind := range []string{"prose", "braces"} {
			for _, size := range []int{8, 16, 32, 64} {
				text := longCalls(t, f)[kind](size << 10)
				name := fmt.Sprintf("%s-%s-%d.txt", f.Name(), kind, size)
				if err := os.WriteFile(filepath.Join(folder, "texts", name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				least := 0.0
				for range 5 {
					start := now()
					for range 20 {
						read(f, text)
					}
					if took := (now() - start).Seconds() / 20; least == 0 || took < least {
						least = took
					}
				}
				fmt.Fprintf(out, "%s\t%s\t%d\t%.6f\n", f.Name(), kind, size, least)
			}
		}
	}
}
