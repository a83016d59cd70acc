package jinja_test

import (
	"errors"
	"fmt"

	"github.com/toolserve/toolserve/jinja"
)

func Example() {
	tmpl, err := jinja.Compile("greeting", `{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</{{ m.role }}>{% endfor %}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	vars, err := jinja.DecodeJSON([]byte(`{"messages": [{"role": "user", "content": " Hello! "}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := tmpl.Render(vars.(*jinja.Dict), jinja.RenderOptions{})
	fmt.Println(text, err)
	// Output: <user>Hello!</user> <nil>
}

func ExampleError() {
	tmpl, err := jinja.Compile("strict", "{% if not messages %}\n  {{ raise_exception('no messages') }}\n{% endif %}")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = tmpl.Render(nil, jinja.RenderOptions{})
	var e *jinja.Error
	if errors.As(err, &e) {
		fmt.Println(e.Kind == jinja.Raised, e.Line, e.Message)
	}
	// Output: true 2 no messages
}
