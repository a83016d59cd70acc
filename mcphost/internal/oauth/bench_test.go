package oauth

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/mcphost/internal/oauth/tokens"
)

// still answers without a network.
type still struct{}

func (still) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// BenchmarkTransport is what credentials cost a request beside the request.
func BenchmarkTransport(b *testing.B) {
	for name, record := range map[string]tokens.Record{
		"none": {URL: "https://other/"}, "bearer": {Access: "token"}, "bound": {Access: "token"},
	} {
		b.Run(name, func(b *testing.B) {
			store := tokens.Open(tokens.Options{Path: filepath.Join(b.TempDir(), "tokens.age")})
			if record.URL == "" {
				record.URL = "https://h/mcp"
			}
			if name == "bound" {
				key, err := newDPoPKey()
				if err != nil {
					b.Fatal(err)
				}
				record.DPoPKey = key
			}
			if err := store.Put(record); err != nil {
				b.Fatal(err)
			}
			c, err := New(Options{Server: "s", URL: "https://h/mcp", HTTP: http.DefaultClient, Store: store})
			if err != nil {
				b.Fatal(err)
			}
			transport := c.Transport(still{})
			b.ReportAllocs()
			for b.Loop() {
				req, err := http.NewRequest(http.MethodPost, "https://h/mcp", strings.NewReader("x"))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := transport.RoundTrip(req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
