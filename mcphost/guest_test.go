package mcphost

import "testing"

// A server that a request brings along must not come under rules that were written for a configured one.
func TestGuestNames(t *testing.T) {
	cfg := &Config{Servers: []ServerConfig{
		{Name: "fs", Transport: TransportHTTP, URL: "https://fs.example.com/mcp"},
		{Name: "Mail__in", Transport: TransportHTTP, URL: "https://mail.example.com/mcp"},
	}}
	h, err := New(cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for name, taken := range map[string]bool{
		"fs": true, "FS": true, "fs_": true, "fs__x": true, "Fs__x": true, "mail__in": true, "mail": true,
		"fsx": false, "fs-2": false, "x_fs": false, "mai": false,
	} {
		guest, err := h.Guest(ServerConfig{Name: name, URL: "https://example.com/mcp"})
		if taken {
			wantKind(t, err, BadArguments)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		guest.Close()
	}
}
