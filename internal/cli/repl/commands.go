package repl

import (
	"context"
	"fmt"
	"strings"

	"github.com/toolserve/toolserve/chat"
)

const help = `/tools          list the tools that the model may call
/system [TEXT]  show the system prompt, or set it and start over
/clear          forget the conversation
/help           show this list
/exit           leave (so do exit, quit, q and the end of the input)`

// command runs a line that is a command. known says whether it was one, leave whether it ends the chat.
func (s *Session) command(ctx context.Context, line string) (leave, known bool) {
	name, rest, _ := strings.Cut(line, " ")
	switch strings.ToLower(name) {
	case "/exit", "/quit":
		return true, true
	case "/tools":
		s.listTools(ctx)
	case "/clear":
		s.clear()
		s.print.note(dim, "(the conversation starts over)")
	case "/system":
		s.system(strings.TrimSpace(rest))
	case "/help", "/?":
		s.print.note(normal, "%s", help)
	default:
		switch strings.ToLower(line) {
		case "exit", "quit", "q":
			return true, true
		}
		if !isCommand(name) {
			return false, false
		}
		s.print.note(red, "%s is no command; /help lists them", cleanLine(name))
	}
	return false, true
}

// isCommand tells a mistyped command from a message that begins with a path.
func isCommand(word string) bool {
	name, slash := strings.CutPrefix(word, "/")
	return slash && name != "" && !strings.ContainsAny(name, "/.")
}

// clear forgets the conversation and keeps the system prompt.
func (s *Session) clear() {
	s.request.Messages = nil
	if s.opts.System != "" {
		s.request.Messages = []chat.Message{{Role: chat.RoleSystem, Content: chat.Text(s.opts.System)}}
	}
}

func (s *Session) system(text string) {
	if text == "" {
		if s.opts.System == "" {
			s.print.note(dim, "(there is no system prompt)")
			return
		}
		s.print.note(normal, "%s", Clean(s.opts.System))
		return
	}
	s.opts.System = text
	s.clear()
	s.print.note(dim, "(the conversation starts over with this system prompt)")
}

func (s *Session) listTools(ctx context.Context) {
	if s.opts.NoTools {
		s.print.note(dim, "(tools are off: --no-tools)")
		return
	}
	s.noTools = "" // say again why there are none
	s.refreshTools(ctx)
	for _, t := range s.request.Tools {
		mark := ""
		if s.risk(t.Name) != "" {
			mark = " (asks before it runs)"
		}
		s.print.note(normal, "%s%s", s.print.paint(bold, cleanLine(t.Name)), mark)
		if about := shorten(cleanLine(t.Description), 100); about != "" {
			s.print.note(dim, "    %s", about)
		}
	}
	s.print.note(dim, "%s", fmt.Sprintf("%d tools", len(s.request.Tools)))
}
