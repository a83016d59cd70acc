package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHostAndOrigin(t *testing.T) {
	local := Options{AllowedHosts: []string{"box.lan"}}
	keyless := Options{Host: "0.0.0.0"}
	keyed := Options{Host: "0.0.0.0", Keys: ring("k")}
	named := Options{Host: "0.0.0.0", Keys: ring("k"), AllowedHosts: []string{"box.lan"}}
	cors := Options{AllowedOrigins: []string{"https://chat.example.org"}}
	const host, origin = "host_not_allowed", "origin_not_allowed"
	tests := []struct {
		name         string
		opts         Options
		host, origin string
		code         string // "": may pass
	}{
		{"plain", local, "127.0.0.1:8000", "", ""},
		{"name", local, "localhost:8000", "", ""},
		{"another port, as behind a tunnel", local, "localhost:9000", "", ""},
		{"IPv6", local, "[::1]:8000", "", ""},
		{"IPv6 without port", local, "[::1]", "", ""},
		{"IPv6 of IPv4", local, "[::ffff:127.0.0.1]:8000", "", ""},
		{"all of 127", local, "127.1.2.3", "", ""},
		{"no port", local, "LOCALHOST", "", ""},
		{"trailing dot", local, "localhost.:8000", "", ""},
		{"subdomain", local, "x.localhost", "", ""},
		{"allowed name", local, "Box.lan:8000", "", ""},
		{"rebound name", local, "evil.example:8000", "", host},
		{"rebound name with a trailing dot", local, "evil.example.:8000", "", host},
		{"name that begins as ours", local, "localhost.evil.example", "", host},
		{"name that ends as ours", local, "evillocalhost", "", host},
		{"address as a name", local, "127.0.0.1.evil.example", "", host},
		{"address of another machine", local, "10.0.0.1:8000", "", host},
		{"any address", local, "0.0.0.0:8000", "", host},
		{"short address", local, "127.1", "", host},
		{"number for an address", local, "2130706433", "", host},
		{"hexadecimal address", local, "0x7f000001", "", host},
		{"octal address", local, "0177.0.0.1", "", host},
		{"IPv6 without brackets", local, "::1", "", host},
		{"IPv6 with a zone", local, "[fe80::1%25lo]:8000", "", host},
		{"IPv6 of another machine", local, "[2001:db8::1]:8000", "", host},
		{"open bracket", local, "[::1", "", host},
		{"text behind the bracket", local, "[::1]evil.example", "", host},
		{"two ports", local, "localhost:8000:1", "", host},
		{"port that is none", local, "localhost:evil.example", "", host},
		{"empty port", local, "localhost:", "", host},
		{"port out of range", local, "localhost:99999", "", host},
		{"user in front", local, "localhost@evil.example", "", host},
		{"user before the port", local, "evil.example:80@localhost", "", host},
		{"only a port", local, ":8000", "", host},
		{"two trailing dots", local, "localhost..", "", host},

		{"own page", local, "127.0.0.1:8000", "http://127.0.0.1:8000", ""},
		{"other local page", local, "127.0.0.1:8000", "http://localhost:3000", ""},
		{"other local page, IPv6", local, "[::1]:8000", "http://[::1]:3000", ""},
		{"foreign page", local, "127.0.0.1:8000", "https://evil.example", origin},
		{"foreign page on our port", local, "127.0.0.1:8000", "http://evil.example:8000", origin},
		{"foreign page with our name in front", local, "127.0.0.1:8000", "http://127.0.0.1.evil.example", origin},
		{"opaque page", local, "127.0.0.1:8000", "null", origin},
		{"file page", local, "127.0.0.1:8000", "file://localhost", origin},
		{"extension", local, "127.0.0.1:8000", "chrome-extension://abcdef", origin},
		{"empty host", local, "127.0.0.1:8000", "http://", origin},
		{"user in front", local, "127.0.0.1:8000", "http://evil@localhost", origin},
		{"path", local, "127.0.0.1:8000", "http://localhost/x", origin},
		{"list", local, "127.0.0.1:8000", "http://localhost, https://evil.example", origin},
		{"list of two parts", local, "127.0.0.1:8000", "http://localhost https://evil.example", origin},
		{"no scheme", local, "127.0.0.1:8000", "localhost:8000", origin},

		{"keyless, address", keyless, "10.0.0.7:8000", "", ""},
		{"keyless, name without a dot", keyless, "toolserve:8000", "", ""},
		{"keyless, rebound name", keyless, "evil.example:8000", "", host},
		{"keyless, page of a rebound name", keyless, "evil.example:8000", "http://evil.example:8000", host},
		{"keyless, foreign page", keyless, "10.0.0.7:8000", "https://evil.example", origin},
		{"keyless, local page", keyless, "10.0.0.7:8000", "http://localhost:3000", origin},
		{"keyed, any name", keyed, "my.server:8000", "", ""},
		{"keyed, own page", keyed, "my.server:8000", "http://my.server:8000", ""},
		{"keyed, own page behind TLS", keyed, "my.server", "https://my.server", ""},
		{"keyed, foreign page", keyed, "my.server:8000", "https://evil.example", origin},
		{"keyed, page on another port", keyed, "my.server:8000", "http://my.server:3000", origin},
		{"named, its name", named, "box.lan:8000", "", ""},
		{"named, loopback", named, "localhost:8000", "", ""},
		{"named, another name", named, "my.server:8000", "", host},
		{"named, address", named, "10.0.0.7:8000", "", host},

		{"allowed page", cors, "127.0.0.1:8000", "https://chat.example.org", ""},
		{"nearly allowed page", cors, "127.0.0.1:8000", "http://chat.example.org", origin},
		{"allowed page on another port", cors, "127.0.0.1:8000", "https://chat.example.org:444", origin},
		{"allowed page behind another name", cors, "127.0.0.1:8000", "https://chat.example.org.evil.example", origin},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			headers := []string{"Host: " + test.host, "Authorization: Bearer k"}
			if test.origin != "" {
				headers = append(headers, "Origin: "+test.origin)
			}
			w := call(newServer(test.opts).Handler(), "GET /things/a", "", headers...)
			if test.code == "" {
				if w.Code != 200 {
					t.Errorf("%d %s", w.Code, w.Body)
				}
				return
			}
			if code, _ := problem(t, w); w.Code != 403 || code != test.code {
				t.Errorf("%d %s, want %s", w.Code, code, test.code)
			}
		})
	}
}

// Whichever of two origins a browser or a proxy believes, the request does not pass.
func TestTwoOrigins(t *testing.T) {
	h := newServer(Options{AllowedOrigins: []string{"https://chat.example.org"}}).Handler()
	for _, origins := range [][]string{
		{"http://localhost", "https://evil.example"},
		{"https://evil.example", "http://localhost"},
		{"https://chat.example.org", "https://chat.example.org"},
		{"", "https://evil.example"},
		{""},
	} {
		r := httptest.NewRequest("GET", "http://127.0.0.1:8000/things/a", nil)
		r.Header["Origin"] = origins
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if code, _ := problem(t, w); w.Code != 403 || code != "origin_not_allowed" || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%q: %d %s", origins, w.Code, code)
		}
	}
}

// What a page of another site fetches as an image or a script has no Origin, but says where it comes from.
func TestFetchedByOtherSites(t *testing.T) {
	h := newServer(Options{}).Handler()
	for headers, want := range map[string]int{
		"Sec-Fetch-Site: cross-site|Sec-Fetch-Mode: no-cors": 403, "Sec-Fetch-Site: cross-site": 403,
		"Sec-Fetch-Site: cross-site|Sec-Fetch-Mode: navigate": 200, // a link that the user followed
		"Sec-Fetch-Site: same-site|Sec-Fetch-Mode: no-cors":   200, "Sec-Fetch-Site: none|Sec-Fetch-Mode: navigate": 200,
	} {
		if w := call(h, "GET /things/a", "", strings.Split(headers, "|")...); w.Code != want {
			t.Errorf("%s: %d, want %d", headers, w.Code, want)
		}
	}
}

// A path that the mux would clean up is no way around a check, and leads nowhere.
func TestUncleanPaths(t *testing.T) {
	h := newServer(Options{Keys: ring("k")}).Handler()
	for _, path := range []string{
		"//echo", "/./echo", "/x/../echo", "/things/../echo", "/echo//", "/%2e/echo", "/%2e%2e/echo", "/%2fecho", "//evil.example/echo", "/things//a", "/echo/",
	} {
		for _, method := range []string{"POST", "GET"} {
			if w := call(h, method+" "+path, "{}"); w.Code != 401 {
				t.Errorf("%s %s without a key: %d, Location %q", method, path, w.Code, w.Header().Get("Location"))
			}
			if w := call(h, method+" "+path, "{}", "Authorization: Bearer k"); w.Code != 404 || w.Header().Get("Location") != "" {
				t.Errorf("%s %s: %d, Location %q", method, path, w.Code, w.Header().Get("Location"))
			}
		}
	}
}

// TestSecurityHeaders: on every answer, also on refusals.
func TestSecurityHeaders(t *testing.T) {
	h := newServer(Options{Keys: ring("k")}).Handler()
	for line, status := range map[string]int{"GET /health": 200, "POST /echo": 200, "GET /nothing": 404, "PUT /echo": 405, "POST /panic": 500} {
		w := call(h, line, "", "Authorization: Bearer k")
		if w.Code != status {
			t.Errorf("%s: %d, want %d", line, w.Code, status)
		}
		checkHeaders(t, line, w.Header())
	}
	checkHeaders(t, "no key", call(h, "POST /echo", "{}").Header())
	checkHeaders(t, "foreign host", call(h, "POST /echo", "{}", "Host: evil.example").Header())
}

func checkHeaders(t *testing.T, what string, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %s is %q, want %q", what, name, got, want)
		}
	}
}
