package mcphost

import (
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestRealLibrary follows the resources of the reference server: one that is made by a tool appears in the
// list, and a subscription is told of changes.
func TestRealLibrary(t *testing.T) {
	if os.Getenv("TOOLSERVE_TEST_NPX") != "1" {
		t.Skip("TOOLSERVE_TEST_NPX is not 1")
	}
	h := startReal(t, `{"mcpServers":{"everything":{"command":"npx","args":["-y","@modelcontextprotocol/server-everything@2026.8.31"],"connect_timeout":150}}}`)
	before, err := h.Resources(t.Context(), "everything")
	if err != nil || len(before.Items) == 0 {
		t.Fatalf("%+v, %v", before, err)
	}
	made, err := h.Execute(t.Context(), Call{Tool: "gzip-file-as-resource", Arguments: []byte(`{"name":"made.gz","data":"data:text/plain;base64,aGVsbG8=","outputType":"resourceLink"}`)})
	if err != nil || made.IsError {
		t.Fatalf("%s, %v", made.Value(), err)
	}
	uri := ""
	eventually(t, "what the tool made is listed", func() bool {
		after, err := h.Resources(t.Context(), "everything")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range after.Items {
			if strings.HasSuffix(r.URI, "made.gz") {
				uri = r.URI
			}
		}
		return uri != "" && len(after.Items) == len(before.Items)+1
	})
	if got, err := h.ReadResource(t.Context(), ResourceRead{URI: uri}); err != nil || len(got.Contents) != 1 || !strings.HasPrefix(got.Contents[0].Blob, "H4sI") {
		t.Errorf("%+v, %v", got, err)
	}
	var told atomic.Int32
	stop, err := h.WatchResource(t.Context(), ResourceRead{Server: "everything", URI: "demo://resource/dynamic/text/1"}, func(uri string) {
		if uri == "demo://resource/dynamic/text/1" {
			told.Add(1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if result, err := h.Execute(t.Context(), Call{Tool: "toggle-subscriber-updates"}); err != nil || result.IsError {
		t.Fatalf("%s, %v", result.Value(), err)
	}
	start := time.Now()
	eventually(t, "the subscription is told", func() bool { return told.Load() > 0 })
	t.Logf("told after %s", time.Since(start).Round(time.Millisecond))
	stop()
}
