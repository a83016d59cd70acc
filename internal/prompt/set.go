package prompt

import "github.com/toolserve/toolserve/chat"

// Set is all chat templates of one model. Most models have one; some have another for requests with tools.
type Set struct {
	plain, tools *Template
}

// NewSet compiles a model's templates, by name. Without any, or with only an empty one, it is
// [DefaultTemplate].
func NewSet(templates map[string]string, opts Options) (*Set, error) {
	_, source, _ := Choose(templates, false)
	plain, err := New(source, opts)
	if err != nil {
		return nil, err
	}
	s := &Set{plain: plain, tools: plain}
	if name, source, ok := Choose(templates, true); ok && source != plain.Source() && source != "" {
		if opts.Name == "" {
			opts.Name = "chat template"
		}
		opts.Name += " " + name
		if s.tools, err = New(source, opts); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// For returns the template of requests with or without tools.
func (s *Set) For(tools bool) *Template {
	if tools {
		return s.tools
	}
	return s.plain
}

// Render makes the prompt of a request with the template that fits it.
func (s *Set) Render(req *chat.Request) (Prompt, error) { return s.For(len(req.Tools) > 0).Render(req) }
