package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Network is where the server listens and whom it lets in.
type Network struct {
	Host           string   `default:"127.0.0.1" help:"Address to listen on. Anything but loopback needs --api-key or --api-keys-file." env:"TOOLSERVE_HOST"`
	Port           int      `default:"8000" help:"Port to listen on; 0 takes a free one." env:"TOOLSERVE_PORT"`
	APIKey         string   `name:"api-key" help:"Key that every request must carry as \"Authorization: Bearer KEY\"; it may do everything. The environment hides it from the list of processes." env:"TOOLSERVE_API_KEY"`
	APIKeysFile    string   `name:"api-keys-file" type:"path" placeholder:"FILE" help:"Keys with names and scopes, as toolserve keys new makes them. The file is read again when it changes." env:"TOOLSERVE_API_KEYS_FILE"`
	AllowNoKey     bool     `name:"allow-no-key" help:"Let everyone who reaches the address use the model and run its tools: listen on more than loopback without a key."`
	AllowedHosts   []string `placeholder:"NAME" help:"Names of this server, besides those of loopback, that a request's Host may have. Without any, a server with keys that listens on more than loopback answers to all names."`
	AllowedOrigins []string `placeholder:"ORIGIN" help:"Origins, such as https://chat.example.org, whose web pages may use the API."`
	TLSCert        string   `name:"tls-cert" type:"path" placeholder:"FILE" help:"Serve https with this certificate, a PEM file with the chain. It is read again when it changes."`
	TLSKey         string   `name:"tls-key" type:"path" placeholder:"FILE" help:"Key of --tls-cert, a PEM file."`
	Timeout        Duration `default:"300s" placeholder:"SECONDS" help:"Longest time that one request may take, in seconds or with a unit (5m); 0 sets no limit."`
	Drain          Duration `default:"10s" placeholder:"SECONDS" help:"Time that running requests have to finish when the server is told to stop."`
	MaxBody        Bytes    `default:"32MiB" placeholder:"BYTES" help:"Largest body of a request, in bytes or with a unit. A call of /v1/mcp/execute may have 4 MiB at most."`
	RateLimit      int      `default:"0" help:"Requests per minute and key, or address where there is no key; 0 sets no limit. A key's own rate_limit goes before it."`
}

// Loopback reports whether the server can only be reached from this machine.
func (n Network) Loopback() bool {
	host := strings.Trim(n.Host, "[]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Keyless reports whether no key is asked for.
func (n Network) Keyless() bool { return n.APIKey == "" && n.APIKeysFile == "" }

func (n Network) validate() error {
	switch {
	case n.Port < 0 || n.Port > 65535:
		return fmt.Errorf("--port %d: a port is between 0 and 65535", n.Port)
	case n.RateLimit < 0:
		return fmt.Errorf("--rate-limit %d: give 0 for no limit, or a positive number", n.RateLimit)
	case n.Timeout < 0:
		return fmt.Errorf("--timeout %v: give 0 for no limit, or a positive duration", n.Timeout)
	case n.Drain <= 0:
		return fmt.Errorf("--drain %v: give a positive duration", n.Drain)
	case n.MaxBody <= 0:
		return fmt.Errorf("--max-body %d: give a positive number of bytes", n.MaxBody)
	case strings.ContainsFunc(n.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("--api-key: a header can carry visible ASCII characters only, without spaces")
	case !n.Loopback() && n.Keyless() && !n.AllowNoKey:
		return fmt.Errorf("--host %s lets everyone who reaches it use the model and run its tools: "+
			"give --api-key or --api-keys-file (toolserve keys new makes keys), or --allow-no-key if that is meant", n.Host)
	case (n.TLSCert == "") != (n.TLSKey == ""):
		return errors.New("--tls-cert and --tls-key belong together; give both or neither")
	}
	for _, host := range n.AllowedHosts {
		if host == "" || strings.ContainsAny(host, "/:@?#* ") {
			return fmt.Errorf("--allowed-hosts %q: give a name such as box.lan, without scheme and port", host)
		}
	}
	for _, origin := range n.AllowedOrigins {
		if err := checkOrigin(origin); err != nil {
			return fmt.Errorf("--allowed-origins %q: %w", origin, err)
		}
	}
	return files(map[string]string{"--api-keys-file": n.APIKeysFile, "--tls-cert": n.TLSCert, "--tls-key": n.TLSKey})
}

// checkOrigin insists on what browsers send, because origins are compared as text.
func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	switch {
	case err == nil && u.Host != "" && u.User == nil && origin == strings.ToLower(u.Scheme+"://"+u.Host):
		return nil
	case origin == "*":
		return errors.New("name each origin; a page of any site could use the server otherwise")
	}
	return errors.New("give an origin as browsers send it, such as https://chat.example.org or http://localhost:3000")
}
