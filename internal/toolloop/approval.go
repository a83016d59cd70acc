package toolloop

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// maxReason bounds what a refusal tells the model.
const maxReason = 2000

// decision is what the client decided on a call.
type decision struct {
	// id is that of the approval request.
	id      string
	approve bool
	reason  string
}

// refusal is what the model reads of a call that was refused.
func (d *decision) refusal(name string) string {
	if d.reason == "" {
		return fmt.Sprintf("The user refused this call of %q. Do not repeat it.", name)
	}
	return fmt.Sprintf("The user refused this call of %q: %s", name, d.reason)
}

// readApproval reads the answer to an approval request. is is false for a text that is none, such as the
// result of a client that ran the call itself.
func readApproval(text, callID string) (d decision, is bool, err error) {
	text = strings.TrimSpace(text)
	members, err := readMembers(text)
	if err != nil {
		return d, false, nil
	}
	var kind string
	_ = json.Unmarshal(members["type"], &kind)
	if _, has := members["approve"]; !has && kind != "mcp_approval_response" || kind != "" && kind != "mcp_approval_response" {
		return d, false, nil
	}
	if members == nil || members["approve"] == nil || json.Unmarshal(members["approve"], &d.approve) != nil || string(members["approve"]) == "null" {
		return d, true, errors.New("\"approve\" must be true or false")
	}
	if members[twice] != nil {
		return d, true, errors.New("a key is given twice")
	}
	name, _ := cutCarrier(callID)
	if raw := members["approval_request_id"]; raw != nil {
		var id string
		if json.Unmarshal(raw, &id) != nil || id != name && id != callID {
			return d, true, errors.New("\"approval_request_id\" is not that of the call that the message answers")
		}
	}
	if raw := members["reason"]; raw != nil && json.Unmarshal(raw, &d.reason) != nil {
		return d, true, errors.New("\"reason\" must be a string")
	}
	if len(d.reason) > maxReason {
		d.reason = strings.ToValidUTF8(d.reason[:maxReason], "")
	}
	return d, true, nil
}

// twice is the key under which readMembers notes that a key came twice.
const twice = "\x00twice"

// readMembers reads the members of a JSON object. Keys are compared exactly.
func readMembers(text string) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	members := map[string]json.RawMessage{}
	for decoder.More() {
		token, err := decoder.Token()
		key, ok := token.(string)
		if err != nil || !ok {
			return nil, errors.New("not an object")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		if _, ok := members[key]; ok {
			members[twice] = value
		}
		members[key] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, errors.New("more than one value")
	}
	return members, nil
}
