package reach

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
)

// unreachable says why a request got no response, or "" where the error is a plain one that says it itself.
func (entry Entry) unreachable(e *exchange) string {
	host, err := e.url.Host, e.err
	if entry.socket() {
		host = place(entry.URL)
	}
	var dns *net.DNSError
	var dial *net.OpError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "" // why it was given up is known
	case entry.socket() && errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("%s does not exist; start the server, or check the path in \"url\"", host)
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("the host '%s' is not known (DNS); check the spelling of \"url\", and whether this machine's DNS knows it", dns.Name)
	case errors.As(err, &dns):
		return fmt.Sprintf("the host '%s' cannot be looked up (DNS: %s); check this machine's network and DNS", dns.Name, clean(dns.Err))
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens at %s (connection refused); start the server, or check host and port of \"url\"", host)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fmt.Sprintf("there is no route to %s (%s); check this machine's network, VPN and firewall", host, innermost(err))
	case errors.As(err, &dial) && dial.Op == "dial" && dial.Timeout():
		return fmt.Sprintf("%s does not answer (the connection timed out); check host and port of \"url\", and firewalls in between", host)
	}
	if text := tlsProblem(err); text != "" {
		return host + text
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		other := "https"
		if e.url.Scheme == "https" {
			other = "http"
		}
		return fmt.Sprintf("%s closes the connection without an answer; check the port of \"url\", whether it is %s there, and the server's own log", host, other)
	}
	return strings.TrimSpace(err.Error())
}

// socket reports whether the server is reached over a socket of this machine.
func (entry Entry) socket() bool { return strings.HasPrefix(entry.URL, "unix:") }

// tlsProblem says what is wrong with TLS, behind the host's name, or "".
func tlsProblem(err error) string {
	var record tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	switch {
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return " does not speak TLS; write http:// in \"url\", or check its port"
	case errors.As(err, &unknown):
		return " has a certificate of an authority that this machine does not know; have the machine trust it (SSL_CERT_FILE names a file of certificates in PEM), or give the server another certificate"
	case errors.As(err, &name):
		return fmt.Sprintf(" has a certificate for another name (%s); write that name in \"url\", or give the server a certificate for this one", clean(name.Error()))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf(" has a certificate that is not valid now (%s); renew it, and check the clocks", clean(invalid.Detail))
	case errors.As(err, &invalid):
		return fmt.Sprintf(" has a certificate that cannot be used (%s); give the server another", clean(invalid.Error()))
	case errors.As(err, &alert):
		return fmt.Sprintf(" refuses the TLS handshake (%s); see whether it wants a client's certificate, which is not supported, or other versions of TLS", clean(alert.Error()))
	}
	return ""
}

// innermost is the text of the error at the bottom of a chain.
func innermost(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return clean(err.Error())
}
