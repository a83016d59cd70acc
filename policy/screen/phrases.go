package screen

import (
	"regexp"
	"strings"
	"sync"
)

// phrase is an expression for what a description has no reason to say. A text that holds none of the
// anchors cannot match it.
type phrase struct {
	anchors    []string
	expression *regexp.Regexp
}

func (p *phrase) find(text string) string {
	for _, anchor := range p.anchors {
		if strings.Contains(text, anchor) {
			return p.expression.FindString(text)
		}
	}
	return ""
}

// phrases returns the list. It runs over flattened text, in time linear in it. The list is short on
// purpose: it is to catch what is copied around, and to leave honest descriptions alone ("You must call X
// before Y" is one).
var phrases = sync.OnceValue(func() []phrase {
	rows := []struct {
		anchors []string
		source  string
	}{
		{[]string{"instructions", "rules", "prompt", "directions", "guidelines"}, `\b(ignore|disregard|forget|override)( all| any| the| your| these)*( previous| prior| above| earlier| preceding| other| system)+ (instructions|rules|prompts?|directions|guidelines)`},
		{[]string{"the user"}, `\b(do not|don't|never|must not|without) (tell|telling|inform|informing|mention|mentioning|notify|notifying|alert|alerting|reveal|revealing|disclose|disclosing)( \w+){0,6}? (to )?the user`},
		{[]string{"from the user"}, `\bhide (this|it) from the user`},
		{[]string{"the user "}, `\bthe user (must|should) not (know|see|be told|notice|be aware)`},
		{[]string{"system prompt"}, `\b(your|new|updated) system prompt (is|says|:)`},
		{[]string{"system prompt"}, `\b(reveal|print|repeat|output|send|leak)( me| us)?( all| the| your| full| entire)* system prompt`},
		{[]string{"you are now"}, `\byou are now (in )?(dan|jailbr\w+|developer mode|unrestricted)`},
		{[]string{"<"}, `</?(important|system|secret|instructions?|admin|hidden|assistant)>`},
		{[]string{"[", "<<"}, `\[/?(system|inst|important|assistant)\]|<</?sys>>`},
		{[]string{"<|", "<start_of_turn", "tool_call>"}, `<\|[a-z_]{2,30}\|>|<start_of_turn>|</?tool_call>`},
		{[]string{".ssh/", "id_", ".aws/", "/etc/"}, `(\.ssh/|\bid_(rsa|ed25519|ecdsa)\b|\.aws/credentials|/etc/(passwd|shadow)\b)`},
		{[]string{"mcp.json"}, `\b(read|send|pass|include|attach|upload|copy)( \w+){0,6} (from |of )?(\S*/)?(\.cursor/)?mcp\.json\b`},
		{[]string{"http", "@"}, `\b(send|post|forward|upload|exfiltrate|bcc)( \w+){0,8} to (https?://|\S+@)`},
		{[]string{"tool"}, `\b(before|after|instead of|whenever|when) (using|calling|invoking|running) any (other )?tool`},
		{[]string{"tool"}, `\bbefore (you )?(use|call|invoke|run|using|calling) (this|the|any) tool,? (you must |you should |please |always |first )*(read|cat|open|fetch|access)\b`},
	}
	compiled := make([]phrase, len(rows))
	for i, row := range rows {
		compiled[i] = phrase{row.anchors, regexp.MustCompile(row.source)}
	}
	return compiled
})
