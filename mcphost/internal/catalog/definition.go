package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/toolserve/toolserve/internal/rawjson"
	"github.com/toolserve/toolserve/policy"
	"github.com/toolserve/toolserve/policy/trust"
)

// newTool reads one definition. The error says why the tool cannot be offered at all.
func newTool(server string, raw json.RawMessage) (*Tool, error) {
	t := &Tool{Server: server}
	definition := map[string]json.RawMessage{}
	rawjson.Fields(raw, func(key string, value json.RawMessage) bool {
		switch key {
		case "name", "title", "description", "inputSchema", "outputSchema", "annotations":
			definition[key] = value
		}
		switch key {
		case "name":
			t.Name, _ = rawjson.Text(value)
		case "title":
			t.Title, _ = rawjson.Text(value)
		case "description":
			t.Description, _ = rawjson.Text(value)
		case "inputSchema":
			t.Parameters = value
		case "outputSchema":
			t.Output = value
		case "annotations":
			t.Annotations = value
		case "icons", "_meta":
			t.aside(key, value)
		case "execution":
			t.TaskSupport = taskSupport(value)
		}
		return true
	})
	switch {
	case t.Name == "":
		return nil, errors.New("a tool without a name is left out")
	case !utf8.ValidString(t.Name):
		return nil, fmt.Errorf("the tool %q is left out: its name is not UTF-8", Cut(t.Name, 60))
	case len(t.Name) > maxToolName:
		return nil, fmt.Errorf("the tool '%s...' is left out: its name is longer than %d bytes", Cut(t.Name, 60), maxToolName)
	}
	t.Title = Cut(t.Title, maxToolName)
	t.Description = CutDescription(t.Description)
	if err := t.readSchema(); err != nil {
		t.complain("its input schema cannot be used: " + err.Error())
	} else if text := t.Check.Unchecked(); text != "" {
		t.complain("of its input schema, " + text)
	}
	t.readOutputSchema()
	t.headers = readHeaderParams(t.Parameters)
	t.Profile = policy.NewToolProfile(t.Parameters, t.Annotations)
	t.Item = trust.NewItem(trust.KindTool, t.Name, object(definition))
	return t, nil
}

// taskSupport reads {"taskSupport": "..."}.
func taskSupport(execution json.RawMessage) (support string) {
	rawjson.Fields(execution, func(key string, value json.RawMessage) bool {
		if key == "taskSupport" {
			support, _ = rawjson.Text(value)
		}
		return true
	})
	return support
}

// aside takes what is no part of the definition as models and people judge it, unless it is too large.
func (t *Tool) aside(key string, value json.RawMessage) {
	switch {
	case key == "icons" && len(value) <= maxIcons:
		t.Icons = value
	case key == "_meta" && len(value) <= maxMeta:
		t.Meta = value
	}
}

// object writes members as one object.
func object(members map[string]json.RawMessage) []byte {
	b := []byte{'{'}
	for key, value := range members {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), key...), '"', ':')
		b = append(b, value...)
	}
	return append(b, '}')
}

// readSchema compiles the schema of the arguments, or puts one in its place that takes any object.
func (t *Tool) readSchema() error {
	anything := json.RawMessage(`{"type":"object","properties":{}}`)
	if t.Parameters == nil {
		t.Parameters = anything
	}
	if len(t.Parameters) > maxSchema {
		t.Parameters = anything
		return fmt.Errorf("it is larger than %d KiB", maxSchema>>10)
	}
	if !strings.HasPrefix(strings.TrimLeft(string(t.Parameters[:min(len(t.Parameters), 64)]), " \t\r\n"), "{") {
		t.Parameters = anything
		return errors.New("it is not an object")
	}
	if err := rawjson.Check(t.Parameters, maxSchemaDepth); err != nil {
		if errors.Is(err, rawjson.ErrDepth) {
			t.Parameters = anything
		}
		return err
	}
	if kind := rawjson.Member(t.Parameters, "type"); kind != nil && !bytes.Contains(kind, []byte(`"object"`)) {
		t.Parameters = anything
		return fmt.Errorf("arguments are an object, and its type is %s", Cut(string(kind), maxToolName))
	}
	var err error
	t.Check, err = NewSchemaCheck(t.Parameters)
	return err
}

// readOutputSchema compiles the schema of the structured result.
func (t *Tool) readOutputSchema() {
	if string(t.Output) == "null" {
		t.Output = nil
	}
	if t.Output == nil {
		return
	}
	var err error
	if len(t.Output) > maxSchema {
		err = fmt.Errorf("it is larger than %d KiB", maxSchema>>10)
	} else if err = rawjson.Check(t.Output, maxSchemaDepth); err == nil {
		t.OutputCheck, err = NewSchemaCheck(t.Output)
	}
	if err == nil {
		if text := t.OutputCheck.Unchecked(); text != "" {
			t.complain("of its output schema, " + text)
		}
		return
	}
	if len(t.Output) > maxSchema || errors.Is(err, rawjson.ErrDepth) {
		t.Output = nil
	}
	t.complain("its output schema cannot be used: " + err.Error())
}

// complain adds to what is wrong with the definition.
func (t *Tool) complain(text string) {
	if t.Problem != "" {
		t.Problem += "; "
	}
	t.Problem += text
}
