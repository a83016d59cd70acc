package mcpserver

import (
	"context"
	"net/http"
	"time"

	"github.com/toolserve/toolserve/internal/mcpserver/internal/results"
	"github.com/toolserve/toolserve/internal/mcpserver/internal/streams"
	"github.com/toolserve/toolserve/internal/sse"
)

// serve sends what comes until the client leaves, nothing more comes, or the handler is closed.
func (h *Handler) serve(ctx context.Context, w http.ResponseWriter, s *streams.Stream) {
	out := sse.NewWriter(w)
	defer out.Stop()
	if out.Comment("open") != nil {
		return
	}
	out.KeepAlive(keepAlive)
	for {
		select {
		case message := <-s.Queue():
			if out.Event("message", results.OneLine(message)) != nil {
				return
			}
		case <-s.Over():
			for len(s.Queue()) > 0 && out.Event("message", results.OneLine(<-s.Queue())) == nil {
			}
			return
		case <-ctx.Done():
			return
		case <-h.ctx.Done():
			return
		}
	}
}

// keepAlive is the time between signs of life on a stream.
const keepAlive = 15 * time.Second
