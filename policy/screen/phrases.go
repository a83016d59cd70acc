package screen

import (
	"regexp"
	"sync"
)

// phrases returns the expressions for what a description has no reason to say. They run over flattened
// text, in time linear in it. The list is short on purpose: it is to catch what is copied around, and
// to leave honest descriptions alone ("You must call X before Y" is one).
var phrases = sync.OnceValue(func() []*regexp.Regexp {
	sources := []string{
		`\b(ignore|disregard|forget|override)( all| any| the| your| these)*( previous| prior| above| earlier| preceding| other| system)+ (instructions|rules|prompts?|directions|guidelines)`,
		`\b(do not|don't|never|must not|without) (tell|telling|inform|informing|mention|mentioning|notify|notifying|alert|alerting|reveal|revealing|disclose|disclosing)( \w+){0,6}? (to )?the user`,
		`\bhide (this|it) from the user`,
		`\bthe user (must|should) not (know|see|be told|notice|be aware)`,
		`\b(your|new|updated) system prompt (is|says|:)`,
		`\b(reveal|print|repeat|output|send|leak)( me| us)?( all| the| your| full| entire)* system prompt`,
		`\byou are now (in )?(dan|jailbr\w+|developer mode|unrestricted)`,
		`</?(important|system|secret|instructions?|admin|hidden|assistant)>`,
		`\[/?(system|inst|important|assistant)\]|<</?sys>>`,
		`<\|[a-z_]{2,30}\|>|<start_of_turn>|</?tool_call>`,
		`(\.ssh/|\bid_(rsa|ed25519|ecdsa)\b|\.aws/credentials|/etc/(passwd|shadow)\b)`,
		`\b(read|send|pass|include|attach|upload|copy)( \w+){0,6} (from |of )?(\S*/)?(\.cursor/)?mcp\.json\b`,
		`\b(send|post|forward|upload|exfiltrate|bcc)( \w+){0,8} to (https?://|\S+@)`,
		`\b(before|after|instead of|whenever|when) (using|calling|invoking|running) any (other )?tool`,
		`\bbefore (you )?(use|call|invoke|run|using|calling) (this|the|any) tool,? (you must |you should |please |always |first )*(read|cat|open|fetch|access)\b`,
	}
	compiled := make([]*regexp.Regexp, len(sources))
	for i, source := range sources {
		compiled[i] = regexp.MustCompile(source)
	}
	return compiled
})
