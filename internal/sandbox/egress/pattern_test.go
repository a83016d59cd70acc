package egress

import (
	"strings"
	"testing"
)

func rules(t testing.TB, allow, deny string) Rules {
	t.Helper()
	list := func(text string) (out []Pattern) {
		for word := range strings.FieldsSeq(text) {
			p, err := ParsePattern(word)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, p)
		}
		return out
	}
	return Rules{Allow: list(allow), Deny: list(deny)}
}

func TestRules(t *testing.T) {
	for _, c := range []struct {
		allow, deny, target string
		ok                  bool
	}{
		{"example.com", "", "example.com:443", true},
		{"example.com", "", "EXAMPLE.com.:8443", true},
		{"Example.COM.", "", "example.com:80", true},
		{"example.com", "", "a.example.com:443", false},
		{"example.com", "", "notexample.com:443", false},
		{"example.com", "", "example.com.evil.net:443", false},
		{"example.com:443", "", "example.com:443", true},
		{"example.com:443", "", "example.com:22", false},
		{"*.example.com", "", "a.b.example.com:443", true},
		{"*.example.com", "", "example.com:443", false},
		{"*.example.com", "", "evilexample.com:443", false},
		{"*.example.com:80", "", "a.example.com:443", false},
		{"*.example.com", "a.example.com", "a.example.com:443", false},
		{"*.example.com", "a.example.com:22", "a.example.com:443", true},
		{"*", "*.evil.net", "good.net:443", true},
		{"*", "*.evil.net", "x.EVIL.net.:443", false},
		{"*", "", "192.0.2.1:443", false},
		{"*", "", "[2001:db8::1]:443", false},
		{"192.0.2.1", "", "192.0.2.1:443", true},
		{"192.0.2.1", "", "[::ffff:192.0.2.1]:443", true},
		{"192.0.2.1:80", "", "192.0.2.1:443", false},
		{"[2001:DB8::1]:443", "", "[2001:db8:0::1]:443", true},
		{"2001:db8::1", "", "[2001:db8::1]:80", true},
		{"bücher.example", "", "xn--bcher-kva.example:443", true},
		{"xn--bcher-kva.example", "", "BÜCHER.example:443", true},
		{"my_bucket.example.com", "", "my_bucket.example.com:443", true},
		{"localhost:11434", "", "localhost:11434", true},
		{"localhost:11434", "", "127.0.0.1:11434", false},
		{"", "", "example.com:443", false},
		{"example.com", "*", "example.com:443", false},
	} {
		r := rules(t, c.allow, c.deny)
		target, err := ParseTarget(c.target, 0)
		if err != nil {
			t.Errorf("%s: %v", c.target, err)
			continue
		}
		if _, _, err := r.find(target, false); (err == nil) != c.ok {
			t.Errorf("allow %q, deny %q, %s: %v", c.allow, c.deny, c.target, err)
		}
	}
}

func TestOddTargets(t *testing.T) {
	for _, text := range []string{
		"", ":443", "example.com", "example.com:", "example.com:0", "example.com:65536", "example.com:+443", "example.com:0443",
		"example.com:443:443", "user@example.com:443", "example.com:443@evil.net:443", "example.com:443/", "example.com:443?x", "example.com:443#x",
		"example.com%2eevil.net:443", "exa mple.com:443", "example.com\t:443", "example..com:443", ".example.com:443", "-a.com:443",
		"127.1:80", "2130706433:80", "0x7f000001:80", "0x7f.1:80", "0177.0.0.1:80", "1.2.3.4.:80", "127.0.0.1.:80",
		"[::1:443", "::1]:443", "[127.0.0.1]:443", "[fe80::1%25eth0]:443", "[fe80::1%eth0]:443", "[::1]x:443", "[example.com]:443",
		"exämple\x00.com:443", "*.example.com:443", strings.Repeat("a", 300) + ".com:443", strings.Repeat("a", 64) + ".com:443",
	} {
		if target, err := ParseTarget(text, 0); err == nil {
			t.Errorf("%q is taken for %v", text, target)
		}
	}
}

func TestPatternsThatAreNone(t *testing.T) {
	for _, text := range []string{
		"", "https://example.com", "example.com/path", "*example.com", "a.*.com", "*.*", "**", "*.127.0.0.1", "*.2.1", "*.", "example.com:http",
		"example.com:99999", "exa mple.com", "user@example.com", "[::1", "127.1", "fe80::1%eth0", "*.[::1]",
	} {
		if p, err := ParsePattern(text); err == nil {
			t.Errorf("%q is taken for %v", text, p)
		} else if !strings.Contains(err.Error(), "is no domain") || !strings.Contains(err.Error(), "write a host as in") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if (Pattern{}).Matches(Target{}) || (Pattern{}).Matches(Target{Host: "example.com", Port: 443}) {
		t.Error("no pattern matches something")
	}
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"example.com", "*.example.com:443", "[::1]:80", "*", "bücher.example", "127.0.0.1", "::1"} {
		f.Add(seed, "www.example.com:443")
	}
	f.Fuzz(func(t *testing.T, pattern, target string) {
		p, err := ParsePattern(pattern)
		if err != nil {
			return
		}
		again, err := ParsePattern(p.String())
		if err != nil || again != p {
			t.Errorf("%q is written as %q, which is read as %v, %v", pattern, p, again, err)
		}
		to, err := ParseTarget(target, 443)
		if err != nil {
			return
		}
		if same, err := ParseTarget(to.String(), 0); err != nil || same != to {
			t.Errorf("%q is written as %q, which is read as %v, %v", target, to, same, err)
		}
		if p.Matches(to) && to.Addr.IsValid() && p.addr != to.Addr {
			t.Errorf("%v matches the address %v", p, to)
		}
		if p.Matches(to) && !p.every && to.Host != p.host && !strings.HasSuffix(to.Host, "."+p.host) {
			t.Errorf("%v matches %v", p, to)
		}
	})
}
