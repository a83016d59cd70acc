package mcphost

import (
	"cmp"

	"github.com/toolserve/toolserve/audit"
	"github.com/toolserve/toolserve/policy"
)

// Refuse records that a person was asked about a call and refused it. The call is not run.
func (h *Host) Refuse(call Call, reason string) {
	record := audit.Record{
		Kind: audit.KindCall, Server: call.Server, Tool: call.Tool, Arguments: call.Arguments,
		Origin: call.Origin, Actor: call.Actor, Request: call.Request,
		Decision: string(policy.Deny), Code: "refused", Reason: cmp.Or(reason, "refused by the user"),
		Error: "the call was refused by the user",
	}
	if t, e := h.resolve(call.Server, call.Tool); e == nil {
		record.Server, record.Tool = t.Server, t.Name
	}
	h.record(record)
}
