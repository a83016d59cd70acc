package audit_test

import (
	"fmt"

	"github.com/toolserve/toolserve/audit"
)

// The guide's way to the audit log: the newest entries, those of some tools, errors alone.
func ExampleLog() {
	log, err := audit.Open(audit.Options{
		OnRecord: func(r audit.Record) { fmt.Printf("Tool: %s, Success: %t\n", r.Tool, r.Success) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer log.Close()
	for _, r := range []audit.Record{
		{Server: "fs", Tool: "read_file", Arguments: []byte(`{"path":"/srv/x","api_key":"sk-1"}`), Success: true},
		{Server: "fs", Tool: "list_directory", Error: "no such folder"},
	} {
		if err := log.Append(r); err != nil {
			fmt.Println(err)
		}
	}

	entries := log.Query(audit.Filter{Limit: 50})
	fileOps := log.Query(audit.Filter{Tool: "file"})
	errors := log.Query(audit.Filter{ErrorsOnly: true})
	fmt.Println(len(entries), string(fileOps[0].Arguments), errors[0].Error)
	fmt.Println(log.Clear(), "cleared")
	// Output:
	// Tool: read_file, Success: true
	// Tool: list_directory, Success: false
	// 2 {"path":"/srv/x","api_key":"[REDACTED]"} no such folder
	// 2 cleared
}
