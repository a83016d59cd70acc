package mcpjson

import "github.com/toolserve/toolserve/mcphost/internal/jsonc"

func lifeKeys() []string {
	return []string{"start", "lazy", "idle_timeout", "connect_timeout", "timeout", "max_timeout"}
}

// longTimeout is the timeout, in seconds, from which it is likely that milliseconds are meant.
const longTimeout = 10_000

// lifeKey reads a key that says when the server is started and ended.
func (p *configParser) lifeKey(e *entry, m jsonc.Member) (known bool, err error) {
	switch m.Key {
	case "start":
		var word string
		word, err = oneOf(m.Value, "eager", "lazy")
		e.Lazy = e.Lazy || word == "lazy"
	case "lazy":
		var flag bool
		flag, err = m.Value.Bool()
		e.Lazy = e.Lazy || flag
	case "idle_timeout", "idleTimeout":
		e.IdleTimeout, err = seconds(m.Value)
	case "connect_timeout", "connectTimeout":
		e.ConnectTimeout, err = seconds(m.Value)
	case "timeout":
		if e.Timeout, err = seconds(m.Value); e.Timeout.Seconds() >= longTimeout {
			p.warn(e.Name, m.At, "\"timeout\" counts seconds: %g are %v; other programs count milliseconds", e.Timeout.Seconds(), e.Timeout)
		}
	case "max_timeout", "maxTimeout":
		e.MaxTimeout, err = seconds(m.Value)
	default:
		return false, nil
	}
	return true, err
}
