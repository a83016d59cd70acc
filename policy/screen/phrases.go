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
		{[]string{"instruction", "rules", "prompt", "directions", "guid"}, `\b(ignore|disregard|forget|override|pay no attention to)( all| any| of| the| your| these)*( previous| prior| above| earlier| preceding| other| system)+ (instructions?|rules|prompts?|directions|guidelines|guidance)`},
		{[]string{"instruc", "istruzioni", "anweisungen", "инструкци", "указани"}, `(^|[^\pL])(ignore[zr]?|ignora|oublie[zr]?|olvida|ignoriere?n?|vergiss|ignorare|dimentica|игнорируй(те)?|забудь(те)?)( \S+){0,4} (instructions|instrucciones|instruções|istruzioni|anweisungen|инструкции|указания)( \S+)?`},
		{[]string{"指令", "指示", "지시"}, `(忽略|无视|無視|忘记|忘記)\S{0,8}(指令|指示)|(指令|指示)\S{0,8}(無視|無效)|지시\S{0,4} ?\S{0,6} ?무시`},
		{[]string{"secretly", "silently", "covertly"}, `\b(secretly|silently|covertly) (\w+ )?(copy|send|forward|pass|read|upload|collect|include|post|log|transmit|exfiltrate)\b`},
		{[]string{"security", "safety"}, `\b(override|bypass|disable|ignore)s? (the|all|any|your) (security|safety)`},
		{[]string{"#"}, `#{2,} ?(instructions?|system|assistant|human):`},
		{[]string{"history"}, `\b(pass|include|send|forward|provide|attach)( \w+){0,4} (conversation|chat|message) history`},
		{[]string{"the user"}, `\b(do not|don't|never|must not|without) (tell|telling|inform|informing|mention|mentioning|notify|notifying|alert|alerting|reveal|revealing|disclose|disclosing)( \w+){0,6}? (to )?the user`},
		{[]string{"from the user"}, `\b(hide|conceal) (this|it|that) from the user|\bhidden from the user`},
		{[]string{"the user "}, `\bthe user (must|should) not (know|see|be told|notice|be aware)`},
		{[]string{"system prompt"}, `\b(your|new|updated) system prompt (is|says|:)`},
		{[]string{"system prompt"}, `\b(reveal|print|repeat|output|send|leak)( me| us)?( all| the| your| full| entire)* system prompt`},
		{[]string{"you are now"}, `\byou are now (in )?(dan|jailbr\w+|developer mode|unrestricted)`},
		{[]string{"<"}, `</?(important|system|secret|instructions?|admin|hidden|assistant)>`},
		{[]string{"[", "<<"}, `\[/?(system|inst|important|assistant)\]|<</?sys>>`},
		{[]string{"<|", "<start_of_turn", "tool_call>"}, `<\|[a-z_]{2,30}\|>|<start_of_turn>|</?tool_call>`},
		{[]string{".ssh/", "id_", ".aws/", "/etc/"}, `(\.ssh/|(\b|_)id_(rsa|ed25519|ecdsa)\b|\.aws/credentials|/etc/(passwd|shadow)\b)`},
		{[]string{"mcp.json"}, `\b(read|send|pass|include|attach|upload|copy)( \w+){0,6} (from |of )?(\S*/)?(\.cursor/)?mcp\.json\b`},
		{[]string{"http", "@"}, `\b(send|post|forward|upload|exfiltrate|bcc)( \w+){0,8} to (https?://|\S+@)`},
		{[]string{"tool"}, `\b(before|after|instead of|whenever|when) (using|calling|invoking|running) any (other )?tool|\bcall( \w+){0,5} before (any|every|all) other tools?\b`},
		{[]string{"tool"}, `\bbefore (you )?(use|call|invoke|run|using|calling) (this|the|any) tool,? (you must |you should |please |always |first )*(read|cat|open|fetch|access)\b`},
	}
	compiled := make([]phrase, len(rows))
	for i, row := range rows {
		for n := range row.anchors {
			row.anchors[n] = flattened(row.anchors[n])
		}
		compiled[i] = phrase{row.anchors, regexp.MustCompile(flattened(row.source))}
	}
	return compiled
})

// flattened writes the letters of other alphabets as flatten does.
func flattened(source string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 {
			return r
		}
		return lower(plain(r))
	}, source)
}
