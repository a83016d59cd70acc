package modelstore

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/toolserve/toolserve/internal/modelstore/host"
)

const (
	maxListing = 32 << 20 // bytes of a JSON answer of the hub
	maxFiles   = 10_000   // files of a repository that are looked at
	userAgent  = "toolserve (https://github.com/toolserve/toolserve)"
)

// newClient returns a client that gives up on silent hosts, and sends the token to the endpoint alone.
func (s *Store) newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	transport.TLSHandshakeTimeout = 10 * time.Second
	transport.ResponseHeaderTimeout = 30 * time.Second
	return &http.Client{Transport: transport, CheckRedirect: s.checkRedirect}
}

// checkRedirect takes the token off every request that leaves the endpoint: the standard client would
// still send it to another port or a sub-domain of the same host.
func (s *Store) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("too many redirects")
	}
	if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return fmt.Errorf("redirected from https to %s", host.Printable(req.URL.Scheme+"://"+req.URL.Host, 100))
	}
	if req.URL.Scheme != s.endpoint.Scheme || req.URL.Host != s.endpoint.Host {
		req.Header.Del("Authorization")
	}
	return nil
}

// get sends a GET for a path below the endpoint. The caller closes the body.
func (s *Store) get(ctx context.Context, u *url.URL, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("User-Agent", userAgent)
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, networkError(ctx, u.Host, err)
	}
	return resp, nil
}

// networkError hides the URL of a failed request, which may carry a signature, and names the host.
func networkError(ctx context.Context, host string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return &transferError{err: fmt.Errorf("%s: %w", host, err), unreachable: isDialError(err)}
}

func isDialError(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	return errors.As(err, &dns) || errors.As(err, &cert) || (errors.As(err, &op) && op.Op == "dial")
}

// A transferError is a failure that another try may mend.
type transferError struct {
	err         error
	unreachable bool          // no connection came about at all
	after       time.Duration // how long the server asks to wait
}

func (e *transferError) Error() string { return e.err.Error() }
func (e *transferError) Unwrap() error { return e.err }

// A statusError is an answer of the hub other than success.
type statusError struct {
	status  int
	code    string // X-Error-Code, such as GatedRepo
	message string
}

func (e *statusError) Error() string {
	s := fmt.Sprintf("the hub answers %d %s", e.status, http.StatusText(e.status))
	if e.message != "" {
		s += ": " + e.message
	}
	return s
}

// checkStatus returns nil for the wanted statuses, a *transferError for those worth another try, and
// else a *statusError.
func checkStatus(resp *http.Response, want ...int) error {
	for _, w := range want {
		if resp.StatusCode == w {
			return nil
		}
	}
	se := &statusError{
		status:  resp.StatusCode,
		code:    host.Printable(resp.Header.Get("X-Error-Code"), 60),
		message: host.Printable(resp.Header.Get("X-Error-Message"), 300),
	}
	switch c := resp.StatusCode; {
	case c == http.StatusTooManyRequests, c == http.StatusRequestTimeout, c >= 500:
		return &transferError{err: se, after: retryAfter(resp.Header.Get("Retry-After"))}
	}
	return se
}

func retryAfter(text string) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && n >= 0 && n < 1<<20 {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}

// retry runs op until it succeeds, fails for good, or makes no progress in too many tries. op returns
// whether it got further than the last time.
func (s *Store) retry(ctx context.Context, what string, op func() (progress bool, err error)) error {
	pause := s.retries.first
	for failed, ever := 0, false; ; {
		progress, err := op()
		var te *transferError
		if err == nil || ctx.Err() != nil || !errors.As(err, &te) {
			return err
		}
		if failed++; progress {
			failed, ever, pause = 1, true, s.retries.first
		}
		// A host that was never reached gets one more chance only: a person is waiting for the answer.
		if failed >= s.retries.attempts || (te.unreachable && !ever && failed >= 2) || te.after > s.retries.longest {
			return err
		}
		wait := max(pause, te.after)
		s.log.Warn("fetching again after a failure", "what", what, "error", err, "wait", wait)
		if err := s.retries.sleep(ctx, wait); err != nil {
			return err
		}
		pause = min(pause*2, s.retries.limit)
	}
}

// getJSON decodes the hub's answer to a GET into v.
func (s *Store) getJSON(ctx context.Context, u *url.URL, v any) error {
	return s.retry(ctx, u.Path, func() (bool, error) {
		resp, err := s.get(ctx, u, nil)
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		if err := checkStatus(resp, http.StatusOK); err != nil {
			return false, err
		}
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxListing+1))
		if err != nil {
			return false, networkError(ctx, u.Host, err)
		}
		if len(body) > maxListing {
			return false, fmt.Errorf("the hub's answer is larger than %d bytes", maxListing)
		}
		if err := json.Unmarshal(body, v); err != nil {
			return false, fmt.Errorf("the hub's answer is not the JSON of its API (%w); is HF_ENDPOINT the address of a hub?", err)
		}
		return false, nil
	})
}

// A listing is what the hub says of a repository.
type listing struct {
	commit string
	files  []hubFile // GGUF files only
	others []string  // extensions of other weight files
}

var commitHash = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)

// listRepo asks the hub for the files of a repository's main revision.
func (s *Store) listRepo(ctx context.Context, ref hubRef) (listing, error) {
	var answer struct {
		SHA      string `json:"sha"`
		Siblings []struct {
			Name string `json:"rfilename"`
			Size int64  `json:"size"`
			LFS  *struct {
				SHA256 string `json:"sha256"`
				Size   int64  `json:"size"`
			} `json:"lfs"`
		} `json:"siblings"`
	}
	u := s.endpoint.JoinPath("api", "models", ref.org, ref.repo)
	u.RawQuery = "blobs=true"
	if err := s.getJSON(ctx, u, &answer); err != nil {
		return listing{}, s.hubError(ctx, ref, err)
	}
	l := listing{commit: answer.SHA}
	if !commitHash.MatchString(l.commit) {
		return listing{}, s.hubError(ctx, ref, errors.New("the hub's answer names no commit"))
	}
	for i, f := range answer.Siblings {
		if i >= maxFiles {
			break
		}
		if !hasGGUFSuffix(f.Name) {
			if isWeights(f.Name) {
				l.others = append(l.others, path.Ext(f.Name))
			}
			continue
		}
		if !safeName(f.Name) {
			s.log.Warn("the hub lists a file with an unsafe name; it is left out", "repository", ref.id(), "file", host.Printable(f.Name, 200))
			continue
		}
		file := hubFile{Name: f.Name, Size: f.Size}
		if f.LFS != nil {
			file.Size, file.SHA256 = f.LFS.Size, strings.ToLower(f.LFS.SHA256)
		}
		l.files = append(l.files, file)
	}
	return l, nil
}

func isWeights(name string) bool {
	switch path.Ext(name) {
	case ".safetensors", ".bin", ".pt", ".pth", ".onnx", ".npz":
		return true
	}
	return false
}

var safePart = regexp.MustCompile(`^[A-Za-z0-9_+=()\[\]@, -][A-Za-z0-9._+=()\[\]@, -]*$`)

// safeName says whether a path inside a repository may become a path in the cache: no way out of it, no
// hidden files, nothing that a file system takes for something else.
func safeName(name string) bool {
	if len(name) > 300 {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > 150 || !safePart.MatchString(part) || strings.HasSuffix(part, ".") || strings.HasSuffix(part, " ") {
			return false
		}
	}
	return true
}

// fileURL is where a file of a repository is downloaded from.
func (s *Store) fileURL(repo, commit, name string) *url.URL {
	return s.endpoint.JoinPath(repo, "resolve", commit, name)
}

// hubError explains a failed question to the hub in terms of the repository.
func (s *Store) hubError(ctx context.Context, ref hubRef, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e := &Error{What: "model " + ref.String(), Kind: ErrNetwork, Reason: err.Error(), Cause: err}
	var se *statusError
	if !errors.As(err, &se) {
		e.Reason = fmt.Sprintf("the hub cannot be used: %v", err)
		e.Mend = "check the connection, the proxy settings and HF_ENDPOINT, or name a .gguf file" + formatHint(ref)
		return e
	}
	page := "https://" + hubHost + "/" + ref.id()
	switch {
	case se.code == "GatedRepo":
		e.Kind = ErrAccess
		e.Reason = "the repository is gated: its owner asks for consent"
		e.Mend = "ask for access on " + page + ", then set HF_TOKEN to a token of that account"
	case se.status == http.StatusUnauthorized && s.token != "" && se.code != "RepoNotFound":
		e.Kind = ErrAccess
		e.Reason = "the hub does not accept the token in HF_TOKEN"
		e.Mend = "make a new one in the account's settings, or unset HF_TOKEN"
	case se.status == http.StatusUnauthorized, se.status == http.StatusNotFound:
		e.Kind = ErrNotFound
		e.Reason = fmt.Sprintf("the hub has no repository %s that may be read (%d)", ref.id(), se.status)
		e.Mend = "check the spelling on " + page + "; for a private one set HF_TOKEN"
	case se.status == http.StatusForbidden:
		e.Kind = ErrAccess
		e.Reason = "access is forbidden" + reasonOf(se)
		e.Mend = "look at " + page + ", and set HF_TOKEN to a token that may read it"
	case se.status == http.StatusTooManyRequests:
		e.Reason = "the hub limits the rate of requests from here" + reasonOf(se)
		e.Mend = "try again later, or set HF_TOKEN: accounts have higher limits"
	}
	return e
}

func reasonOf(se *statusError) string {
	if se.message == "" {
		return ""
	}
	return " (" + se.message + ")"
}
