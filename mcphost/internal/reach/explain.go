package reach

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// Entry is what of a server's entry an explanation depends on.
type Entry struct {
	// URL is its address, http, https or unix.
	URL string
	// Type is "http" or "sse" where the entry pins the transport, else "".
	Type string
	// Headers are the names of the headers that it gives.
	Headers []string
	// NoLogin says that it has "oauth": false.
	NoLogin bool
	// Login is the command that logs in to the server.
	Login string
}

// Error is why a server could not be reached.
type Error struct {
	// After is how long the server asks to be left alone; 0 where it does not say.
	After   time.Duration
	message string
	err     error
}

// Error names the address, the reason and the mend.
func (e *Error) Error() string { return e.message }

// Unwrap returns what the protocol library made of it.
func (e *Error) Unwrap() error { return e.err }

// Explain says why connecting to a server failed, from how its requests went. Of what it does not know it
// names the address only.
func (a *Attempt) Explain(err error, entry Entry) error {
	post, get, credentials := a.last()
	text := ""
	switch own := versionProblem(err); {
	case credentials != nil:
		text = place(entry.URL) + ": " + credentials.Error()
	case own != "":
		text = place(entry.URL) + own
	case entry.Type == "sse":
		text = entry.explain(get)
	case get.streams(): // it speaks the older transport, and something else is wrong
	default:
		if text = entry.explain(post); text != "" && entry.Type == "" && get != nil && get.err == nil && get.status != post.status {
			text += fmt.Sprintf(" (GET, for the older SSE transport: %s)", get.said())
		}
	}
	if text == "" {
		return fmt.Errorf("%s: %w", place(entry.URL), err)
	}
	after := time.Duration(0)
	if post != nil {
		after = post.after()
	}
	return &Error{after, text, err}
}

// maxAfter bounds how long a server can have itself left alone.
const maxAfter = 10 * time.Minute

// after reads the Retry-After header of a response, where it gives seconds (RFC 9110 section 10.2.3).
func (e *exchange) after() time.Duration {
	seconds, err := strconv.Atoi(e.retryAfter)
	if err != nil || seconds < 0 || e.status != http.StatusTooManyRequests && e.status != http.StatusServiceUnavailable {
		return 0
	}
	return time.Duration(min(seconds, int(maxAfter/time.Second))) * time.Second
}

func (e *exchange) streams() bool {
	return e != nil && e.status == http.StatusOK && e.kind == "text/event-stream"
}

// said is the answer in a few words.
func (e *exchange) said() string {
	if e.status == http.StatusOK {
		return "200 " + e.kind
	}
	return strings.TrimSpace(fmt.Sprint(e.status, " ", http.StatusText(e.status)))
}

// explain says what came of a request, or "" where that explains nothing.
func (entry Entry) explain(e *exchange) string {
	if e == nil {
		return ""
	}
	if e.err != nil {
		return entry.unreachable(e)
	}
	at := place(entry.URL)
	if !entry.socket() {
		at = display(e.url)
	}
	if e.from != nil && display(e.from) != at {
		at = fmt.Sprintf("%s leads on to %s, which", display(e.from), at)
	}
	text := ""
	switch {
	case e.status == http.StatusOK:
		text = entry.notMCP(e)
	case e.redirects():
		text = fmt.Sprintf(" leads elsewhere (%s); give the address that it leads to", e.said())
	default:
		text = entry.refused(e)
	}
	if text == "" {
		return ""
	}
	return at + text
}

// refused says what a status other than success means.
func (entry Entry) refused(e *exchange) string {
	said := e.said() + e.quote()
	switch e.status {
	case http.StatusUnauthorized:
		return entry.unauthorized(said)
	case http.StatusForbidden:
		return fmt.Sprintf(" refuses the request (%s); %s", said, entry.credential("see whether the credential of the entry permits this, and whether the server admits this machine"))
	case http.StatusNotFound, http.StatusGone:
		return fmt.Sprintf(" is no MCP endpoint (%s); check the path of \"url\": most servers have theirs at /mcp, those of the older transport at /sse%s", said, entry.other())
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnsupportedMediaType:
		return fmt.Sprintf(" does not take the handshake (%s); check the path of \"url\"%s", said, entry.other())
	case http.StatusProxyAuthRequired:
		return fmt.Sprintf(" is behind a proxy that wants a login (%s); see HTTP_PROXY and HTTPS_PROXY", said)
	case http.StatusTooManyRequests:
		return fmt.Sprintf(" is asked too often (%s); it is tried again by itself, when its Retry-After allows it", said)
	}
	if e.status >= 500 {
		return fmt.Sprintf(" fails (%s); see the server's own log. It is tried again by itself", said)
	}
	return fmt.Sprintf(" refuses the handshake (%s); check \"url\"", said)
}

// other points to the other transport, where the entry pins one.
func (entry Entry) other() string {
	switch entry.Type {
	case "http":
		return "; or it speaks the older transport: then set \"type\": \"sse\", or leave \"type\" out"
	case "sse":
		return "; or it speaks Streamable HTTP: then set \"type\": \"http\", or leave \"type\" out"
	}
	return ""
}

// authorization returns the name of the header with the entry's credential, or "".
func (entry Entry) authorization() string {
	i := slices.IndexFunc(entry.Headers, func(name string) bool {
		return strings.EqualFold(name, "Authorization")
	})
	if i < 0 {
		return ""
	}
	return entry.Headers[i]
}

// credential is what to do about a credential that the entry has, or where to put one.
func (entry Entry) credential(has string) string {
	if entry.authorization() != "" {
		return has
	}
	return "if it wants a credential, put it into \"headers\"" + entry.orLogin()
}

func (entry Entry) orLogin() string {
	if entry.Login == "" || entry.NoLogin {
		return ""
	}
	return ", or run: " + entry.Login
}

func (entry Entry) unauthorized(said string) string {
	switch {
	case entry.authorization() != "":
		return fmt.Sprintf(" refuses the credential of the entry (%s); check \"Authorization\" in \"headers\" (or \"token\"): it may have run out, or lack its scheme, as in \"Bearer ${TOKEN}\"", said)
	case entry.NoLogin && len(entry.Headers) > 0:
		return fmt.Sprintf(" wants another credential (%s); check \"headers\", or take the key \"oauth\" out and run: %s", said, entry.Login)
	case entry.NoLogin:
		return fmt.Sprintf(" wants a credential (%s); put it into \"headers\", as in \"Authorization\": \"Bearer ${TOKEN}\", or take the key \"oauth\" out and run: %s", said, entry.Login)
	}
	return fmt.Sprintf(" wants a credential (%s); put it into \"headers\", as in \"Authorization\": \"Bearer ${TOKEN}\"%s", said, entry.orLogin())
}

// notMCP says what a successful answer is that is not MCP, or "" where it is.
func (entry Entry) notMCP(e *exchange) string {
	const check = "; check the path of \"url\": most servers have theirs at /mcp, those of the older transport at /sse"
	switch {
	case e.kind == "text/event-stream":
		return ""
	case isHTML(e):
		what := "a web page"
		if title := pageTitle(e.body); title != "" {
			what = fmt.Sprintf("a web page (%q)", title)
		}
		return " answers with " + what + " and not with MCP" + check
	case entry.Type == "sse":
		return fmt.Sprintf(" answers with %s and not with a stream of events%s", cmp.Or(clean(e.kind), "nothing"), entry.other())
	case len(strings.TrimSpace(string(e.body))) == 0:
		return " gives an empty answer to the handshake" + check
	case !strings.Contains(string(e.body), `"jsonrpc"`):
		return fmt.Sprintf(" answers with %s that is not MCP%s%s", cmp.Or(clean(e.kind), "text"), e.quote(), check)
	}
	return ""
}

func isHTML(e *exchange) bool {
	start := strings.ToLower(strings.TrimSpace(string(e.body[:min(len(e.body), 64)])))
	return e.kind == "text/html" || e.kind == "application/xhtml+xml" ||
		strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html")
}

// quote is the beginning of the body in quotes behind a colon, or "" where it says nothing to people.
func (e *exchange) quote() string {
	if isHTML(e) {
		if title := pageTitle(e.body); title != "" {
			return fmt.Sprintf(": the page %q", title)
		}
		return ""
	}
	text := clean(message(e.body))
	if text == "" || strings.EqualFold(text, http.StatusText(e.status)) {
		return ""
	}
	return ": '" + text + "'"
}

// message is what an error in JSON says to people, or the text as it is.
func message(body []byte) string {
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return string(body)
	}
	if inner, ok := fields["error"].(map[string]any); ok {
		fields = inner
	}
	for _, key := range []string{"message", "error_description", "detail", "error", "title"} {
		if text, ok := fields[key].(string); ok && text != "" {
			return text
		}
	}
	return string(body)
}

func pageTitle(body []byte) string {
	title := regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title`).FindSubmatch(body)
	if title == nil {
		return ""
	}
	return clean(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(string(title[1]), ""))
}

// maxQuote bounds what is quoted of a server, in bytes.
const maxQuote = 200

// clean makes a text of a server fit for one line of a terminal.
func clean(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if len(text) <= maxQuote {
		return text
	}
	return strings.ToValidUTF8(text[:maxQuote], "") + "…"
}

// display is an address without what may be secret in it: a user, a query.
func display(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func place(address string) string {
	u, err := url.Parse(address)
	if err == nil && u.Scheme == "unix" {
		return "the socket " + u.Path
	}
	if err != nil || u.Host == "" {
		return "the server"
	}
	return display(u)
}

// versionProblem says that the server does not speak MCP as it is spoken here, or "".
func versionProblem(err error) string {
	var answer *jsonrpc.Error
	if errors.As(err, &answer) && answer.Message != "" && !ofLibrary(answer) {
		return fmt.Sprintf(" refuses the handshake: %q (code %d)", clean(answer.Message), answer.Code)
	}
	if _, version, found := strings.Cut(err.Error(), "unsupported protocol version: "); found {
		return fmt.Sprintf(" speaks revision %s of MCP, and this program those from 2024-11-05 to 2026-07-28; update the server, or ask it for one of these", clean(version))
	}
	return ""
}

// ofLibrary reports whether an error is not the server's, but what the protocol library says of a connection.
func ofLibrary(err *jsonrpc.Error) bool {
	return err.Code <= -32003 && err.Code >= -32005 && slices.Contains([]string{
		"rejected by transport", "client is closing", "server is closing",
	}, err.Message)
}

// Spoken explains a handshake with a process, by what it answered.
func Spoken(err error) error {
	if text := versionProblem(err); text != "" {
		return &Error{0, "the server" + text, err}
	}
	return err
}
