package screen

import (
	"regexp"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// phrase is an expression for what a description has no reason to say. A text that holds none of the
// anchors cannot match it.
type phrase struct {
	anchors    []string
	expression *regexp.Regexp
	loose      bool // of words alone, so that other signs between them count as space
}

func (p *phrase) find(text string) string {
	for _, anchor := range p.anchors {
		if !strings.Contains(text, anchor) {
			continue
		}
		found := p.expression.FindString(text)
		if found == "" && p.loose && strings.ContainsAny(text, "-_.*~") {
			found = p.expression.FindString(strings.Join(strings.FieldsFunc(text, isBetween), " "))
		}
		return found
	}
	return ""
}

// isBetween says whether a character may stand between two words in place of a space, or around one as Markdown
// has it.
func isBetween(r rune) bool { return strings.ContainsRune(" -_.*~", r) }

// phrases returns the list. It runs over flattened text, in time linear in it. The list is short on
// purpose: it is to catch what is copied around, and to leave honest descriptions alone ("You must call X
// before Y" is one).
var phrases = sync.OnceValue(func() []phrase {
	rows := []struct {
		anchors []string
		source  string
	}{
		{[]string{"instruction", "rules", "prompt", "directions", "guid"}, `\b(ignore|disregard|forget|override|pay no attention to)( all| any| of| the| your| these)*( previous| prior| above| earlier| preceding| other| system)+ (instructions?|rules|prompts?|directions|guidelines|guidance)`},
		{[]string{"instruc", "istruzioni", "anweisungen", "instrukc", "инструкци", "указани"}, `(^|[^\pL])(ignore[zr]?|ignora|oublie[zr]?|olvida|ignoriere?n?|vergiss|ignorare|dimentica|negeer|vergeet|zignoruj|ignoruj|игнорируй(те)?|забудь(те)?)( [^.\s]+){0,4} (instructions|instrucciones|instruções|istruzioni|anweisungen|instructies|instrukcje|инструкции|указания)([^\pL]|$)`},
		{[]string{"instructions", "rules"}, `\b(previous|prior|above|earlier|preceding) (instructions|rules) (should|must|are to) be (ignored|disregarded|forgotten)|\bnew (instructions|rules|orders):`},
		{[]string{"指令", "指示", "지시", "talimat", "تعليمات", "निर्देश"}, `(忽略|无视|無視|忘记|忘記)\S{0,8}(指令|指示)|(指令|指示)\S{0,8}(無視|無效)|지시\S{0,4} ?\S{0,6} ?무시|talimat\S{0,8} (yok say|dikkate alma|unut)|(تجاهل|انس)( \S+){0,2} \S{0,3}تعليمات|निर्देश\S{0,8} को (अनदेखा|भूल)`},
		{[]string{"secretly", "silently", "covertly"}, `\b(secretly|silently|covertly) (\w+ )?(copy|send|forward|pass|read|upload|collect|include|post|log|transmit|exfiltrate)\b`},
		{[]string{"security", "safety"}, `\b(override|bypass|disable|ignore)s? (the|all|any|your) (security|safety)`},
		{[]string{"#"}, `#{2,} ?(instructions?|system|assistant|human):`},
		{[]string{"conversation", "chat", "message"}, `\b(pass|include|send|forward|provide|attach)( \w+){0,4} (conversation|chat|message) (history|log|transcript|so far)`},
		{[]string{".env", ".aws/", ".netrc", ".npmrc"}, `\b(pass|include|send|put|attach|copy|forward|provide)( \S+){0,6} (\S*/)?(\.env|\.netrc|\.npmrc|\.aws/\w+)\b`},
		{[]string{"mention"}, `\b(do not|don't|never) mention (that you|this (to|tool|step|instruction))`},
		{[]string{"the user"}, `\bwithout (asking|the consent of|the knowledge of|confirmation (of|from|by)|approval (of|from|by)) the user`},
		{[]string{"<!--"}, `<!--[^>]{0,200}\b(assistant|system|ignore|must|call)\b`},
		{[]string{"human:"}, `\bhuman: .{0,400}\bassistant:`},
		{[]string{"the user"}, `\b(do not|don't|never|must not|without) (tell|telling|inform|informing|mention|mentioning|notify|notifying|alert|alerting|reveal|revealing|disclose|disclosing)( \w+){0,6}? (to )?the user`},
		{[]string{"from the user"}, `\b(hide|conceal) (this|it|that) from the user|\bhidden from the user`},
		{[]string{"the user "}, `\bthe user (must|should) not (know|see|be told|notice|be aware)`},
		{[]string{"system prompt"}, `\b(your|new|updated) system prompt (is|says|:)`},
		{[]string{"system prompt"}, `\b(reveal|print|repeat|output|send|leak)( me| us)?( all| the| your| full| entire)* system prompt`},
		{[]string{"you are now"}, `\byou are now (in )?(dan|jailbr\w+|developer mode|unrestricted)`},
		{[]string{"<"}, `</?(important|system|sys|secret|instructions?|admin|hidden|assistant)>`},
		{[]string{"[", "<<"}, `\[/?(system|inst|important|assistant)\]|<</?sys>>`},
		{[]string{"<|", "<start_of_turn", "tool_call>", "function_call", "tool_result>"}, `<\|[a-z_]{2,30}\|>|<start_of_turn>|</?(tool_call|function_calls?|tool_result)>`},
		{[]string{".ssh/", "id_", ".aws/", "/etc/"}, `(\.ssh/|(\b|_)id_(rsa|ed25519|ecdsa)\b|\.aws/(credentials|config)|/etc/(passwd|shadow)\b)`},
		{[]string{"mcp.json"}, `\b(read|send|pass|include|attach|upload|copy)( \w+){0,6} (from |of )?(\S*/)?(\.cursor/)?mcp\.json\b`},
		{[]string{"http", "@"}, `\b(send|post|forward|upload|exfiltrate|bcc)( \w+){0,8} to (https?://|\S+@)|@\S+ (as|in|to) (a )?bcc\b`},
		{[]string{"tool"}, `\b(before|after|instead of|whenever|when) (using|calling|invoking|running) any (other )?tool|\bcall( \w+){0,5} before (any|every|all) other tools?\b`},
		{[]string{"tool"}, `\bbefore (you )?(use|call|invoke|run|using|calling) (this|the|any) tool,? (you must |you should |please |always |first )*(read|cat|open|fetch|access)\b`},
	}
	compiled := make([]phrase, len(rows))
	for i, row := range rows {
		for n := range row.anchors {
			row.anchors[n] = flattened(row.anchors[n])
		}
		compiled[i] = phrase{row.anchors, regexp.MustCompile(flattened(row.source)), !strings.ContainsAny(row.source, "<[.@#")}
	}
	return compiled
})

// flattened writes the letters of a source beyond ASCII as flatten does.
func flattened(source string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 {
			return r // a sign of the expression
		}
		return lower(plain(r))
	}, withoutMarks(source))
}

// withoutMarks takes the marks off letters, and writes letters in other shapes (bold, full width) plainly.
func withoutMarks(text string) string {
	if isASCII(text) {
		return text
	}
	letters := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFKD.String(text))
	return norm.NFC.String(letters)
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r >= 0x80 }) < 0
}
