package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/internal/client"
)

// auditInterval is how often --follow asks for new records.
const auditInterval = time.Second

// followLimit is how many records --follow asks for at a time: as many as a server remembers by default,
// so that none is missed between two questions.
const followLimit = 1000

// MCPAuditCmd is `toolserve mcp audit`.
type MCPAuditCmd struct {
	Remote
	Verify string `type:"path" placeholder:"FILE" help:"Check this audit file and those that it was rotated to, and name the first record that was changed. Asks no server."`
	Limit  int    `default:"50" help:"Number of newest records."`
	Tool   string `help:"Only tools whose name contains this." placeholder:"NAME"`
	Server string `help:"Only servers whose name contains this." placeholder:"NAME"`
	Errors bool   `help:"Only what did not succeed."`
	Follow bool   `short:"f" help:"Go on with the records that come, until interrupted."`
	JSON   bool   `help:"Print one JSON object a line."`
}

// Help is the long description.
func (*MCPAuditCmd) Help() string {
	return "--verify exits with 1 when a record is not as it was written or cannot be read. " + remoteHelp
}

// Validate checks the flags.
func (c *MCPAuditCmd) Validate() error {
	if c.Limit < 1 {
		return errors.New("--limit must be at least 1")
	}
	if c.Verify != "" && c.Follow {
		return errors.New("--verify reads a file and --follow a server; give one of them")
	}
	return nil
}

// Run prints the records, oldest first.
func (c *MCPAuditCmd) Run(ctx context.Context, streams IO) error {
	if c.Verify != "" {
		return verifyAudit(streams.Out, c.Verify, c.JSON)
	}
	server, err := c.client()
	if err != nil {
		return err
	}
	defer server.Close()
	filter := client.AuditFilter{Limit: c.Limit, Tool: c.Tool, Server: c.Server, Errors: c.Errors}
	var last uint64
	for first := true; ; first = false {
		log, err := server.MCPAudit(ctx, filter)
		switch {
		case err != nil && ctx.Err() != nil && !first: // interrupted while following
			return nil
		case err != nil:
			return remoteError(err)
		case first && !c.Follow && len(log.Entries) == 0:
			return printEmpty(streams, "no audit records", log.Reason)
		}
		var fresh []client.AuditEntry
		if fresh, last = newEntries(log.Entries, last); len(fresh) > 0 {
			if err := c.print(streams.Out, fresh); err != nil {
				return err
			}
		}
		if !c.Follow {
			return nil
		}
		filter.Limit = max(c.Limit, followLimit)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(auditInterval):
		}
	}
}

// newEntries returns the entries after the one with the number last, and the newest number. Numbers
// that start over are those of a server that was started again: all of its entries are new.
func newEntries(entries []client.AuditEntry, last uint64) ([]client.AuditEntry, uint64) {
	if len(entries) == 0 {
		return nil, last
	}
	newest := entries[len(entries)-1].Seq
	if newest < last {
		last = 0
	}
	i := slices.IndexFunc(entries, func(e client.AuditEntry) bool { return e.Seq > last })
	if i < 0 {
		return nil, newest
	}
	return entries[i:], newest
}

// print writes the entries as a table or, with --json, one a line as they came.
func (c *MCPAuditCmd) print(out io.Writer, entries []client.AuditEntry) error {
	if c.JSON {
		for _, e := range entries {
			var line bytes.Buffer
			if err := json.Compact(&line, e.Raw); err != nil {
				return fmt.Errorf("print the record: %w", err)
			}
			fmt.Fprintf(out, "%s\n", line.Bytes())
		}
		return nil
	}
	rows := make([][]string, 0, len(entries))
	for _, e := range entries {
		rows = append(rows, []string{
			e.Time.Local().Format("2006-01-02 15:04:05"), strconv.FormatUint(e.Seq, 10), auditSubject(e), auditOutcome(e),
		})
	}
	return printTable(out, rows)
}

func auditSubject(e client.AuditEntry) string {
	switch {
	case e.Tool == "" && e.Server == "":
		return e.Kind
	case e.Tool == "":
		return e.Kind + " " + e.Server
	case e.Server == "":
		return e.Tool
	}
	return e.Server + "__" + e.Tool
}

func auditOutcome(e client.AuditEntry) string {
	switch {
	case e.Success && e.Kind == "trust":
		return strings.TrimSpace("ok " + e.Note)
	case e.Success:
		return strings.TrimSpace(fmt.Sprintf("ok %s", milliseconds(e.DurationMS)))
	case e.Error != "":
		return "error: " + e.Error
	case e.Decision != "" && e.Decision != "allow":
		return e.Decision + ": " + e.Reason
	}
	return strings.TrimSpace(e.Reason + " " + e.Note)
}

func milliseconds(ms float64) string {
	if ms <= 0 {
		return ""
	}
	return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
}

// verifyAudit checks an audit file and says what it holds.
func verifyAudit(out io.Writer, path string, asJSON bool) error {
	sum, err := audit.VerifyFile(path)
	if asJSON {
		return printVerdict(out, sum, err)
	}
	var broken *audit.ChainError
	if errors.As(err, &broken) {
		return fmt.Errorf("%w (the %d records before it are intact)", err, sum.Records)
	}
	if err != nil {
		return err
	}
	if sum.Records == 0 {
		_, err := fmt.Fprintf(out, "%s: no records\n", path)
		return err
	}
	fmt.Fprintf(out, "%s: intact, %d records in %d files, %d to %d\n", path, sum.Records, sum.Files, sum.First, sum.Last)
	if sum.First > 1 {
		fmt.Fprintf(out, "records 1 to %d are in older files, which are gone\n", sum.First-1)
	}
	_, err = fmt.Fprintf(out, "head %s; records cut off at the end show only when it is compared with one that was kept elsewhere\n", sum.Head)
	return err
}

// printVerdict prints {"intact", "files", "records", "first", "last", "head"}, or where the chain breaks.
func printVerdict(out io.Writer, sum audit.Summary, err error) error {
	verdict := map[string]any{"intact": err == nil, "files": sum.Files, "records": sum.Records}
	var broken *audit.ChainError
	switch {
	case err == nil:
		verdict["first"], verdict["last"], verdict["head"] = sum.First, sum.Last, sum.Head
	case errors.As(err, &broken):
		verdict["file"], verdict["line"], verdict["record"], verdict["reason"] = broken.File, broken.Line, broken.Seq, broken.Reason
	default:
		return err
	}
	data, failed := json.Marshal(verdict)
	if failed != nil {
		return failed
	}
	if _, failed = fmt.Fprintf(out, "%s\n", data); failed == nil && err != nil {
		return &ExitError{Code: 1}
	}
	return failed
}
