package mcpjson

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/toolserve/toolserve/audit"
)

func TestOAuthDialects(t *testing.T) {
	for name, test := range map[string]struct {
		entry string
		check func(OAuth) bool
	}{
		"ours": {`"oauth":{"client_id":"a","client_secret":"${SECRET}","scopes":["r","w"],"redirect_port":8123,"issuer":"https://as"}`, func(o OAuth) bool {
			return o.ClientID == "a" && o.ClientSecret == "s3cret" && slices.Equal(o.Scopes, []string{"r", "w"}) && o.RedirectURI == "http://127.0.0.1:8123/callback" && o.Issuer == "https://as"
		}},
		"Claude": {`"oauth":{"clientId":"a","callbackPort":8080,"authServerMetadataUrl":"https://as/m"}`, func(o OAuth) bool {
			return o.ClientID == "a" && o.RedirectURI == "http://127.0.0.1:8080/callback" && o.MetadataURL == "https://as/m"
		}},
		"VS Code":            {`"oauth":{"clientId":"a"}`, func(o OAuth) bool { return o.ClientID == "a" && o.Set }},
		"Cursor":             {`"auth":{"CLIENT_ID":"a","CLIENT_SECRET":"b","scopes":["x"]}`, func(o OAuth) bool { return o.ClientID == "a" && o.ClientSecret == "b" && o.Scopes[0] == "x" }},
		"scopes in a text":   {`"oauth":{"scope":"a b"}`, func(o OAuth) bool { return slices.Equal(o.Scopes, []string{"a", "b"}) }},
		"off":                {`"oauth":false`, func(o OAuth) bool { return o.Off }},
		"on":                 {`"oauth":true`, func(o OAuth) bool { return !o.Off && o.Set }},
		"none":               {`"timeout":3`, func(o OAuth) bool { return !o.Set && !o.Off }},
		"a relative path":    {`"oauth":{"grant":"jwt_bearer","assertion_file":"jwt"}`, func(o OAuth) bool { return filepath.IsAbs(o.AssertionFile) }},
		"DPoP":               {`"oauth":{"dpop":"auto"}`, func(o OAuth) bool { return o.DPoP == "" }},
		"a redirect address": {`"oauth":{"redirect_uri":"http://localhost:3000/cb"}`, func(o OAuth) bool { return o.RedirectURI == "http://localhost:3000/cb" }},
		"enterprise": {`"oauth":{"grant":"enterprise","client_id":"a","identity_provider":{"issuer":"https://idp","client_id":"b","id_token":"t"}}`, func(o OAuth) bool {
			return o.Grant == GrantEnterprise && o.IdentityProvider.Issuer == "https://idp" && o.IdentityProvider.IDToken == "t"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, warnings, err := Parse([]byte(`{"mcpServers":{"s":{"url":"https://h/mcp",`+test.entry+`}}}`), ParseOptions{
				Path: filepath.Join(t.TempDir(), "mcp.json"), LookupEnv: func(name string) (string, bool) { return "s3cret", name == "SECRET" },
			})
			if err != nil || len(warnings) > 0 || cfg.Servers[0].Problem != nil {
				t.Fatal(err, warnings, cfg.Servers[0].Problem)
			}
			if !test.check(cfg.Servers[0].OAuth) {
				t.Errorf("read as %+v", cfg.Servers[0].OAuth)
			}
		})
	}
}

func TestOAuthMistakes(t *testing.T) {
	for entry, want := range map[string]string{
		`"x"`:                            "must be an object, or false",
		`{"client_secret":"a"}`:          `needs "client_id"`,
		`{"grant":"password"}`:           "must be one of",
		`{"grant":"client_credentials"}`: `needs "client_id"`,
		`{"grant":"client_credentials","client_id":"a"}`:               `needs "client_secret"`,
		`{"grant":"jwt_bearer"}`:                                       `needs "assertion"`,
		`{"grant":"enterprise","client_id":"a"}`:                       `"identity_provider"`,
		`{"auth_method":"private_key_jwt","client_id":"a"}`:            `needs "private_key"`,
		`{"auth_method":"magic"}`:                                      "must be one of",
		`{"redirect_port":0}`:                                          "must be a port",
		`{"redirect_port":70000}`:                                      "must be a port",
		`{"redirect_uri":"http://evil.example:80/cb"}`:                 "must lead to this machine",
		`{"redirect_uri":"https://localhost/cb"}`:                      `must be like`,
		`{"client_metadata_url":"http://h/x"}`:                         "https:// address with a path",
		`{"client_metadata_url":"https://h/"}`:                         "https:// address with a path",
		`{"client_id":"${NOPE}"}`:                                      "NOPE",
		`{"identity_provider":{"isuer":"https://x"}}`:                  "is not known",
		`{"identity_provider":{"issuer":"https://x","client_id":"a"}}`: `"id_token"`,
		`{"dpop":"maybe"}`:                                             "must be one of",
	} {
		cfg, _, err := Parse([]byte(`{"mcpServers":{"s":{"url":"https://h/mcp","oauth":`+entry+`},"other":{"url":"https://o/"}}}`),
			ParseOptions{LookupEnv: func(string) (string, bool) { return "", false }})
		if err != nil {
			t.Errorf("%s: the file fails: %v", entry, err)
			continue
		}
		if problem := cfg.Servers[0].Problem; problem == nil || !strings.Contains(problem.Error(), want) {
			t.Errorf("%s: the problem is %v, want %q in it", entry, problem, want)
		}
		if cfg.Servers[1].Problem != nil {
			t.Errorf("%s: the other server: %v", entry, cfg.Servers[1].Problem)
		}
	}
	_, warnings, _ := Parse([]byte(`{"mcpServers":{"s":{"url":"https://h/mcp","oauth":{"client_ids":"x"}}}}`), ParseOptions{})
	if len(warnings) != 1 || !strings.Contains(warnings[0].String(), `did you mean "client_id"?`) {
		t.Errorf("an unknown key: %v", warnings)
	}
}

func TestOAuthWithoutEffect(t *testing.T) {
	for entry, want := range map[string]string{
		`"command":"npx","oauth":{"client_id":"a"}`:                            "a process on this machine",
		`"url":"https://h/","headers":{"authorization":"x"},"oauth":true`:      "an Authorization header",
		`"url":"https://h/","token":"x","oauth":{}`:                            "an Authorization header",
		`"url":"https://h/","headers":{"authorization":"x"},"oauth":false`:     "",
		`"url":"https://h/","headers":{"X-Key":"x"},"oauth":{"client_id":"a"}`: "",
	} {
		_, warnings, err := Parse([]byte(`{"mcpServers":{"s":{`+entry+`}}}`), ParseOptions{})
		if err != nil || (want == "") != (len(warnings) == 0) || want != "" && !strings.Contains(warnings[0].String(), want) {
			t.Errorf("%s: %v, %v", entry, warnings, err)
		}
	}
}

// TestOAuthIsPartOfTheLaunch: who gets a server's credentials is part of what was approved, and the secrets
// are part of nothing.
func TestOAuthIsPartOfTheLaunch(t *testing.T) {
	digest := func(block string) (string, string) {
		cfg, _, err := Parse([]byte(`{"mcpServers":{"s":{"url":"https://h/mcp"`+block+`}}}`), ParseOptions{})
		if err != nil || cfg.Servers[0].Problem != nil {
			t.Fatal(err, cfg.Servers[0].Problem)
		}
		item := cfg.LaunchItem(cfg.Servers[0], cfg.AuditOptions().Redactor)
		return item.Digest, string(item.Definition)
	}
	plain, definition := digest("")
	if strings.Contains(definition, "oauth") {
		t.Errorf("an entry without the block has %s", definition)
	}
	one, definition := digest(`,"oauth":{"client_id":"a","client_secret":"hunter2hunter2","issuer":"https://one"}`)
	if strings.Contains(definition, "hunter2") {
		t.Errorf("the secret is in %s", definition)
	}
	other, _ := digest(`,"oauth":{"client_id":"a","client_secret":"hunter2hunter2","issuer":"https://two"}`)
	rotated, _ := digest(`,"oauth":{"client_id":"a","client_secret":"another-secret","issuer":"https://one"}`)
	if plain == one || one == other || one != rotated {
		t.Error("the launch does not change with who is asked, or changes with the secret")
	}
	cfg, _, _ := Parse([]byte(`{"mcpServers":{"s":{"url":"https://h/mcp","oauth":{"client_id":"a","client_secret":"hunter2hunter2"}}}}`), ParseOptions{})
	if got := cfg.AuditOptions().Redactor.Hide("x hunter2hunter2 y"); got != "x "+audit.Redacted+" y" {
		t.Errorf("the secret shows: %q", got)
	}
}
