package toolloop

import (
	"fmt"
	"time"

	"github.com/toolserve/toolserve/chat"
)

func refusal(kind chat.ErrorKind, param, code, format string, args ...any) error {
	return &chat.Error{Kind: kind, Param: param, Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalid(param, code, format string, args ...any) error {
	return refusal(chat.KindInvalid, param, code, format, args...)
}

// retryAfter is when a server that is on its way up may be there.
const retryAfter = 2 * time.Second

func unavailable(param string, soon bool, format string, args ...any) error {
	e := &chat.Error{Kind: chat.KindUnavailable, Param: param, Code: "mcp_unavailable", Message: fmt.Sprintf(format, args...)}
	if soon {
		e.RetryAfter = retryAfter
	}
	return e
}
