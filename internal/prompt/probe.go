package prompt

import (
	"strings"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/jinja"
)

// Words that no template contains, to look for in what a probe renders.
const (
	markSystem    = "XSYSTEMX"
	markUser      = "XUSERX"
	markAnswer    = "XANSWERX"
	markTool      = "xtool_name"
	markArgument  = "xargument"
	markValue     = "XVALUEX"
	markResult    = "XRESULTX"
	markReasoning = "XREASONINGX"
)

func user(text string) chat.Message {
	return chat.Message{Role: chat.RoleUser, Content: chat.Text(text)}
}

func assistant(text string) chat.Message {
	return chat.Message{Role: chat.RoleAssistant, Content: chat.Text(text)}
}

func system(text string) chat.Message {
	return chat.Message{Role: chat.RoleSystem, Content: chat.Text(text)}
}

// probeCall is an assistant message with n calls, and the messages that answer them.
func probeCall(n int) []chat.Message {
	call := chat.Message{Role: chat.RoleAssistant}
	turns := []chat.Message{call}
	for i := range n {
		id := "call0000" + string(rune('1'+i)) // nine letters and digits, as the strictest template wants
		turns[0].ToolCalls = append(turns[0].ToolCalls, chat.ToolCall{
			ID: id, Name: markTool, Arguments: `{"` + markArgument + `": "` + markValue + string(rune('1'+i)) + `"}`,
		})
		turns = append(turns, chat.Message{
			Role: chat.RoleTool, ToolCallID: id, Content: chat.Text(markResult + string(rune('1'+i))),
		})
	}
	return turns
}

// prober renders small conversations with one template.
type prober struct {
	t     *Template
	tools []jinja.Value
	// stopped counts the probes that ended at a limit.
	stopped int
}

// A probe is small, and so is what it may take. A template that goes beyond that again and again is not
// probed further: a hostile one must not take its time once a probe.
const (
	probeSteps  = 100_000
	probeMemory = 4 << 20
	maxStopped  = 4
)

// try renders messages as they are; the text is empty if the template refuses them.
func (p *prober) try(messages []chat.Message, tools bool, set func(*conversation)) string {
	c := &conversation{
		shape: &p.t.shape, messages: answersInOrder(messages, p.t.shape.namedAnswers), base: p.t.baseVariables(), extra: jinja.NewDict(0), generate: true,
	}
	if tools {
		c.tools = p.tools
	}
	if set != nil {
		set(c)
	}
	if p.stopped >= maxStopped {
		return ""
	}
	vars, _, err := c.variables()
	if err != nil {
		return ""
	}
	text, err := p.t.compiled.Render(vars, jinja.RenderOptions{Now: p.t.opts.Now, MaxSteps: probeSteps, MaxMemory: probeMemory})
	if atLimit(err) {
		p.stopped++
	}
	if err != nil {
		return ""
	}
	return text
}

// shows reports whether the messages render, and every one of the marks with them.
func (p *prober) shows(messages []chat.Message, tools bool, marks ...string) bool {
	text := p.try(messages, tools, nil)
	for _, m := range marks {
		if !strings.Contains(text, m) {
			return false
		}
	}
	return text != ""
}

// probe fills the template's caps and shape.
func (t *Template) probe() {
	tools, err := toolValues([]chat.Tool{{
		Name: markTool, Description: "A tool.",
		Parameters: []byte(`{"type":"object","properties":{"` + markArgument + `":{"type":"string","description":"A text."}},"required":["` + markArgument + `"]}`),
	}})
	if err != nil {
		panic("prompt: the probe's own tool: " + err.Error())
	}
	p := &prober{t: t, tools: tools}
	t.shape.reasoning = t.reasoningKey()
	p.contentForm()
	p.systemTurns()
	p.toolTurns()
	p.settings()
	p.media()
	p.stability()
}

// reasoningKey is the key under which the template reads a message's reasoning.
func (t *Template) reasoningKey() string {
	for _, key := range [...]string{"reasoning_content", ".thinking", "'thinking'", `"thinking"`, ".reasoning"} {
		if strings.Contains(t.source, key) {
			return strings.Trim(key, `.'"`)
		}
	}
	return "reasoning_content"
}

// contentForm finds out how the template wants to hear that there are no tools, and whether it takes
// strings.
func (p *prober) contentForm() {
	s, caps := &p.t.shape, &p.t.caps
	hello := []chat.Message{user(markUser)}
	for _, s.lists = range [...]bool{false, true} {
		for _, s.tools = range [...]toolsForm{toolsNone, toolsMissing, toolsEmpty, toolsText} {
			if p.shows(hello, false, markUser) {
				tools := s.tools
				caps.Strings = !s.lists
				caps.Parts = s.lists || p.takesLists(hello)
				s.tools = tools
				return
			}
		}
	}
	s.lists, s.tools = false, toolsNone
	caps.Strings = true
}

// takesLists reports whether a list of parts renders as a string does.
func (p *prober) takesLists(messages []chat.Message) bool {
	p.t.shape.lists = true
	defer func() { p.t.shape.lists = false }()
	text := p.try(messages, false, nil)
	return strings.Contains(text, markUser) && !strings.Contains(text, "'"+markUser) && !strings.Contains(text, `"`+markUser)
}

func (p *prober) systemTurns() {
	caps := &p.t.caps
	caps.System = p.shows([]chat.Message{system(markSystem), user(markUser)}, false, markSystem, markUser)
	caps.LaterSystem = p.shows([]chat.Message{user(markUser), assistant(markAnswer), system(markSystem), user("again")},
		false, markUser, markAnswer, markSystem)
	developer := chat.Message{Role: chat.RoleDeveloper, Content: chat.Text(markSystem)}
	caps.Developer = strings.Contains(p.t.source, string(chat.RoleDeveloper)) &&
		p.shows([]chat.Message{developer, user(markUser)}, false, markSystem, markUser)
}

func (p *prober) toolTurns() {
	caps, s := &p.t.caps, &p.t.shape
	for _, s.toolsName = range [...]string{"tools", "xml_tools"} {
		if caps.Tools = p.shows([]chat.Message{user(markUser)}, true, markTool, markUser); caps.Tools {
			break
		}
	}
	history := func(n int) []chat.Message { return append([]chat.Message{user(markUser)}, probeCall(n)...) }
	showsCall := func() bool {
		return p.shows(history(1), true, markTool, markValue) || p.shows(history(1)[:2], true, markTool, markValue)
	}
	// Most templates print text as it is, but an object is what they were written for.
	for _, s.textArguments = range [...]bool{false, true} {
		if caps.ToolCalls = showsCall(); caps.ToolCalls {
			break
		}
	}
	s.textArguments = s.textArguments && caps.ToolCalls
	caps.TextArguments = s.textArguments
	caps.ToolRole = p.shows(history(1), true, markResult)
	if !caps.ToolRole {
		s.namedAnswers = true
		caps.ToolRole = p.shows(history(1), true, markResult)
		s.namedAnswers = caps.ToolRole
	}
	caps.ParallelCalls = caps.ToolCalls &&
		p.shows(history(2), true, markValue+"1", markValue+"2", markResult+"1", markResult+"2")
}

func (p *prober) settings() {
	caps := &p.t.caps
	hello := []chat.Message{user(markUser)}
	plain := p.try(hello, false, nil)
	caps.OpensReasoning = endsInReasoning(plain)
	with := func(name string, v jinja.Value) string {
		return p.try(hello, false, func(c *conversation) { c.extra.Set(name, v) })
	}
	for _, name := range thinkingNames {
		caps.EnableThinking = caps.EnableThinking || with(name, jinja.Bool(true)) != with(name, jinja.Bool(false))
	}
	caps.ReasoningEffort = with("reasoning_effort", jinja.String("low")) != with("reasoning_effort", jinja.String("high"))
	thought := assistant(markAnswer)
	thought.Reasoning = markReasoning
	called := probeCall(1)
	called[0].Reasoning = markReasoning
	caps.Reasoning = p.shows([]chat.Message{user(markUser), thought}, false, markReasoning) ||
		caps.ToolCalls && p.shows(append([]chat.Message{user(markUser)}, called...), true, markReasoning)
}

// media finds the part types that the template has placeholders for.
func (p *prober) media() {
	s, caps := &p.t.shape, &p.t.caps
	if !caps.Parts {
		return
	}
	text := chat.Part{Type: chat.PartText, Text: markUser}
	show := func(part chat.PartType) string {
		return p.try([]chat.Message{{Role: chat.RoleUser, Content: []chat.Part{{Type: part}, text}}}, false, nil)
	}
	s.lists = true
	plain := p.try([]chat.Message{user(markUser)}, false, nil)
	s.lists = !caps.Strings
	for _, s.image = range [...]string{"image", "image_url", ""} {
		if shown := show(chat.PartImage); s.image != "" && shown != plain && strings.Contains(shown, markUser) {
			break
		}
	}
	for _, s.audio = range [...]string{"audio", "input_audio", ""} {
		if shown := show(chat.PartAudio); s.audio != "" && shown != plain && strings.Contains(shown, markUser) {
			break
		}
	}
	caps.Images, caps.Audio = s.image != "", s.audio != ""
}

// stability finds out after which added turns the text up to the latest message is another.
func (p *prober) stability() {
	caps := &p.t.caps
	var breaks []string
	keeps := func(what string, tools bool, messages []chat.Message, from int, last string) {
		before, after := p.try(messages[:from], tools, nil), p.try(messages, tools, nil)
		shared := 0
		for shared < len(before) && shared < len(after) && before[shared] == after[shared] {
			shared++
		}
		if before != "" && after != "" && shared < strings.LastIndex(before, last)+len(last) {
			breaks = append(breaks, what)
		}
	}
	chatted := []chat.Message{user(markUser), assistant(markAnswer), user("again")}
	keeps("a user turn", false, chatted, 1, markUser)
	if caps.Tools {
		keeps("a user turn with tools", true, chatted, 1, markUser)
	}
	if caps.ToolCalls && caps.ToolRole {
		called := append([]chat.Message{user(markUser)}, probeCall(1)...)
		called = append(called, assistant(markAnswer), user("again"))
		keeps("a tool result", true, called[:3], 1, markUser)
		keeps("a user turn after tool results", true, called, 3, markResult)
		if caps.Reasoning {
			called[1].Reasoning = markReasoning
			keeps("a user turn after reasoning", true, called, 3, markResult)
		}
	}
	caps.PrefixStable = len(breaks) == 0
	caps.PrefixBreak = strings.Join(breaks, ", ")
}
