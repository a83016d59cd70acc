package mcpjson

import (
	"time"

	"github.com/toolserve/toolserve/mcphost/internal/jsonc"
)

// Sampling is whether a server may ask the served model, and how much. Zero limits are the defaults.
type Sampling struct {
	Enabled bool
	// MaxTokens bounds one answer; 0 means 1024.
	MaxTokens int
	// MaxRequests bounds the requests of one tool call; 0 means 10.
	MaxRequests int
	// Timeout bounds one answer; 0 means 2 min.
	Timeout time.Duration
}

// Elicitation is what a server may ask people. The zero value allows all.
type Elicitation struct {
	// NoForms and NoURLs turn off its two modes.
	NoForms, NoURLs bool
	// Timeout bounds the wait for an answer; 0 means 5 min.
	Timeout time.Duration
}

// asksKey reads a key that says what the server may ask of its client.
func (p *configParser) asksKey(e *entry, m jsonc.Member) (known bool, err error) {
	switch m.Key {
	case "sampling":
		e.Sampling, err = p.sampling(e, m.Value)
	case "elicitation":
		e.Elicitation, err = p.elicitation(e, m.Value)
	case "log_level", "logLevel":
		e.LogLevel, err = oneOf(m.Value, "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency", "off")
	case "roots":
		if flag, notFlag := m.Value.Bool(); notFlag == nil {
			e.NoRoots = !flag
			return true, nil
		}
		if text, notText := m.Value.Text(); notText == nil && text == "caller" {
			e.CallerRoots = true
			return true, nil
		}
		if e.Roots, err = p.roots(m.Value); err != nil {
			err = m.Value.Errorf("must be a list of folders, false to tell the server of none, or \"caller\" to pass on those of MCP clients")
		}
	default:
		return false, nil
	}
	return true, err
}

// sampling reads true, false, or an object with the limits.
func (p *configParser) sampling(e *entry, n jsonc.Node) (s Sampling, err error) {
	if s.Enabled, err = n.Bool(); err == nil {
		return s, nil
	}
	members, err := n.Members()
	if err != nil {
		return s, n.Errorf("must be true, false, or an object such as {\"enabled\": true, \"max_tokens\": 1024}")
	}
	for _, m := range members {
		switch m.Key {
		case "enabled":
			s.Enabled, err = m.Value.Bool()
		case "max_tokens", "maxTokens":
			s.MaxTokens, err = positiveInt(m.Value)
		case "max_requests", "maxRequests":
			s.MaxRequests, err = positiveInt(m.Value)
		case "timeout":
			s.Timeout, err = seconds(m.Value)
		default:
			p.warnUnknown(e.Name, m, []string{"enabled", "max_tokens", "max_requests", "timeout"})
		}
		if err != nil {
			return Sampling{}, inKey(m.Key, err)
		}
	}
	return s, nil
}

// elicitation reads true, false, or an object with the modes.
func (p *configParser) elicitation(e *entry, n jsonc.Node) (Elicitation, error) {
	if flag, err := n.Bool(); err == nil {
		return Elicitation{NoForms: !flag, NoURLs: !flag}, nil
	}
	var out Elicitation
	members, err := n.Members()
	if err != nil {
		return out, n.Errorf("must be true, false, or an object such as {\"form\": true, \"url\": false}")
	}
	for _, m := range members {
		var flag bool
		switch m.Key {
		case "form":
			flag, err = m.Value.Bool()
			out.NoForms = !flag
		case "url":
			flag, err = m.Value.Bool()
			out.NoURLs = !flag
		case "timeout":
			out.Timeout, err = seconds(m.Value)
		default:
			p.warnUnknown(e.Name, m, []string{"form", "url", "timeout"})
		}
		if err != nil {
			return Elicitation{NoForms: true, NoURLs: true}, inKey(m.Key, err)
		}
	}
	return out, nil
}
