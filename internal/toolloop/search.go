package toolloop

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/toolserve/toolserve/chat"
	"github.com/toolserve/toolserve/internal/agent"
	"github.com/toolserve/toolserve/internal/toolsearch"
)

// SearchMode says when tools are kept out of the prompt until the model searches for them.
type SearchMode string

// The modes of tool search.
const (
	// SearchAuto keeps the tools of MCP servers out where they would fill more than a quarter of the context,
	// and those that the request defers. It is what the zero mode means.
	SearchAuto SearchMode = "auto"
	// SearchOn keeps all tools of MCP servers out, SearchOff none, whatever the request says.
	SearchOn  SearchMode = "on"
	SearchOff SearchMode = "off"
)

const (
	// contextShare is the part of the context that tools may fill: one in so many.
	contextShare = 4
	// maxFound is how many tools one search finds.
	maxFound = 5
	// maxFoundText bounds what the model reads of one of them.
	maxFoundText = 200
	// searchName is what the model calls the search by, unless that is the name of a tool.
	searchName = "search_tools"
)

// deferral is the tools that the model does not see until it searches for them. The zero value has none.
// The tools that it found are appended to those that it sees, so that what the prompt begins with stays
// the same, and with it what the engine has cached of it.
type deferral struct {
	name  string // of the function that searches; "" where nothing is deferred
	tools []deferredTool

	once  sync.Once
	index *toolsearch.Index

	mu    sync.Mutex // guards found, which calls that run at the same time write
	found map[string][]int

	places map[string]int   // of the tools, by name
	before map[string][]int // what searches of the conversation found, by their words
}

type deferredTool struct {
	tool   chat.Tool
	label  string // of its server; "" for the client's own
	loaded bool
}

// offered is a tool that the request may offer to the model.
type offered struct {
	tool  chat.Tool
	label string
	hide  bool
}

// settleTools decides which of the tools the model sees from the start.
func (r *run) settleTools(all []offered, named string) {
	mode := r.loop.opts.Search
	crowded := mode == SearchOn || mode != SearchOff && r.crowded(all)
	taken := map[string]bool{}
	for _, o := range all {
		taken[o.tool.Name] = true
		hidden := mode != SearchOff && o.hide || crowded && o.label != ""
		if !hidden || o.tool.Name == named {
			r.req.Tools = append(r.req.Tools, o.tool)
			continue
		}
		if r.deferral.places == nil {
			r.deferral.places = map[string]int{}
		}
		r.deferral.places[o.tool.Name] = len(r.deferral.tools)
		r.deferral.tools = append(r.deferral.tools, deferredTool{tool: o.tool, label: o.label})
	}
	if len(r.deferral.tools) == 0 {
		return
	}
	r.deferral.name = searchName
	for n := 2; taken[r.deferral.name]; n++ {
		r.deferral.name = fmt.Sprintf("%s_%d", searchName, n)
	}
	r.deferral.found, r.deferral.before = map[string][]int{}, map[string][]int{}
	r.req.Tools = append(r.req.Tools, r.searchTool())
}

// crowded reports whether the tools of servers would fill too much of the context.
func (r *run) crowded(all []offered) bool {
	limit := r.loop.opts.ContextSize / contextShare
	if limit <= 0 {
		return false
	}
	size := 0
	for _, o := range all {
		if o.label != "" && !o.hide {
			size += len(o.tool.Function)
		}
	}
	// A token of a schema has between two and eight bytes, as a rule; only between those is it worth the time
	// to count.
	if size < 2*limit || size > 8*limit || r.loop.opts.Tokens == nil {
		return size > 4*limit
	}
	tokens := 0
	for _, o := range all {
		if o.label == "" || o.hide {
			continue
		}
		n, err := r.loop.opts.Tokens(string(o.tool.Function))
		if err != nil {
			return size > 4*limit
		}
		if tokens += n; tokens > limit {
			return true
		}
	}
	return false
}

// searchTool is the function that searches. It names the servers and not their tools, of which there may be
// thousands.
func (r *run) searchTool() chat.Tool {
	counts, labels := map[string]int{}, []string{}
	for _, d := range r.deferral.tools {
		if counts[d.label]++; counts[d.label] == 1 {
			labels = append(labels, d.label)
		}
	}
	for i, label := range labels {
		text := fmt.Sprintf("%s (%d)", label, counts[label])
		if label == "" {
			text = fmt.Sprintf("the user's own (%d)", counts[label])
		}
		if about := r.about[label]; about != "" {
			text += ": " + about
		}
		labels[i] = text
	}
	const more = "and others"
	if len(labels) > maxNames {
		labels = append(labels[:maxNames], more)
	}
	description := fmt.Sprintf("Find tools for a task. %d more tools can be found and then called, of these servers: %s. "+
		"Search before you say that something cannot be done.", len(r.deferral.tools), strings.Join(labels, "; "))
	parameters := json.RawMessage(`{"type":"object","properties":{"query":{"type":"string","description":"A few words on what the tool should do"}},"required":["query"],"additionalProperties":false}`)
	t := mcphostTool(r.deferral.name, description, parameters)
	return chat.Tool{Name: t.FullName, Description: description, Parameters: parameters, Function: functionJSON(&t)}
}

// query reads the arguments of a search.
func query(call chat.ToolCall) (string, error) {
	var arguments struct {
		Query string `json:"query"`
	}
	if err := json.Unmarshal([]byte(call.Arguments), &arguments); err != nil || strings.TrimSpace(arguments.Query) == "" {
		return "", errors.New(`the argument "query" is missing; give a few words on what the tool should do`)
	}
	return arguments.Query, nil
}

// search answers a call of the search. It is called by several goroutines at once.
func (d *deferral) search(call chat.ToolCall) (agent.Result, error) {
	words, err := query(call)
	if err != nil {
		return agent.Result{}, err
	}
	found := d.find(words)
	d.mu.Lock()
	d.found[call.ID] = found
	d.mu.Unlock()
	return agent.Result{Content: chat.Text(d.describe(found))}, nil
}

// find returns the places of the tools for a query.
func (d *deferral) find(words string) []int {
	d.once.Do(func() {
		docs := make([]toolsearch.Doc, len(d.tools))
		for i, t := range d.tools {
			docs[i] = toolsearch.Doc{Name: t.tool.Name, Description: t.tool.Description, Parameters: parameterNames(t.tool.Parameters)}
		}
		d.index = toolsearch.New(docs)
	})
	return d.index.Search(words, maxFound)
}

// parameterNames are the names of the arguments that a schema describes.
func parameterNames(schema json.RawMessage) []string {
	var object struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(schema, &object) != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(object.Properties))
}

// describe says what was found, in words for the model. The definitions are in its next prompt.
func (d *deferral) describe(found []int) string {
	if len(found) == 0 {
		return "No tool was found. Try other words, such as what the tool works on: files, pages, time."
	}
	var out strings.Builder
	out.WriteString("These tools were found and can be called now:")
	for _, i := range found {
		t := &d.tools[i].tool
		text, _, _ := strings.Cut(strings.TrimSpace(t.Description), "\n")
		if len(text) > maxFoundText {
			text = strings.ToValidUTF8(text[:maxFoundText], "") + "..."
		}
		fmt.Fprintf(&out, "\n- %s: %s", t.Name, text)
	}
	return out.String()
}

// load shows the model the tools that its searches found, in the order of the calls.
func (r *run) load(calls []chat.ToolCall) {
	for _, call := range calls {
		r.deferral.mu.Lock()
		found := r.deferral.found[call.ID]
		delete(r.deferral.found, call.ID)
		r.deferral.mu.Unlock()
		r.show(found)
	}
}

// show appends deferred tools to those that the model sees.
func (r *run) show(places []int) {
	for _, i := range places {
		if d := &r.deferral.tools[i]; !d.loaded {
			d.loaded = true
			r.req.Tools = append(r.req.Tools, d.tool)
		}
	}
}

// recall shows the model the tools that it had found or called earlier in the conversation, in the order in
// which it did, so that the prompt is as it was.
func (r *run) recall() {
	if r.deferral.name == "" {
		return
	}
	for _, m := range r.req.Messages {
		for _, call := range m.ToolCalls {
			if call.Name == r.deferral.name {
				found, _ := r.deferral.again(call)
				r.show(found)
			} else if i, ok := r.deferral.places[call.Name]; ok {
				r.show([]int{i})
			}
		}
	}
}

// maxRecalled bounds the searches of a conversation that are made again.
const maxRecalled = 64

// again returns what a search of the conversation found; ok is false for one that was not made.
func (d *deferral) again(call chat.ToolCall) (found []int, ok bool) {
	words, err := query(call)
	if err != nil {
		return nil, false
	}
	found, ok = d.before[words]
	if !ok && len(d.before) < maxRecalled {
		found, ok = d.find(words), true
		d.before[words] = found
	}
	return found, ok
}

// foundItem is the item of what a search found.
func (r *run) foundItem(call chat.ToolCall) *chat.Item {
	it := &chat.Item{ID: "tso_" + r.loop.opts.NewID(), Type: chat.ItemFound, Status: chat.ItemCompleted}
	r.deferral.mu.Lock()
	defer r.deferral.mu.Unlock()
	for _, i := range r.deferral.found[call.ID] {
		t := &r.deferral.tools[i].tool
		it.Tools = append(it.Tools, chat.ListedTool{Name: t.Name, FullName: t.Name, Description: t.Description, Schema: t.Parameters})
	}
	return it
}
