package toolcall

// maxName bounds the length of a tool's name, in bytes.
const maxName = 256

// tool is a tool of the request, with what its schema says of its parameters, read when first needed.
type tool struct {
	index int
}

// tool returns the request's tool of that name, or nil.
func (p *Parser) tool(name string) *tool {
	if p.tools == nil {
		p.tools = make(map[string]*tool, len(p.opts.Tools))
		for i := range p.opts.Tools {
			p.tools[p.opts.Tools[i].Name] = &tool{index: i}
		}
	}
	return p.tools[name]
}
