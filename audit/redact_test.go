package audit

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSecretName(t *testing.T) {
	secret := `password passwd pwd db_password token access_token accessToken API_KEY apiKey APIKey api-key key secret client_secret
		credential credentials auth Authorization X-Auth-Token GITHUB_TOKEN private_key cookie Set-Cookie oauth_token session_token
		PGPASSWORD dbpassword connectionString seed_phrase session_id recovery-codes secret_id password_value passphrase jwt AWS_SECRET_ACCESS_KEY OPENAI_API_KEY authToken aws_access_key_id key1 Proxy-Authorization`
	for name := range strings.FieldsSeq(secret) {
		if !SecretName(name) {
			t.Errorf("%q is not taken for a secret", name)
		}
	}
	harmless := `author authors monkey keyboard turkey tokens_per_second max_tokens tokenizer keyword keywords primary_key
		foreign_key token_count authority path query url name secretary passage compass tokens donkey hockey authored key_count
		max_token_count auth_method auth_type cache_key total_tokens keyframes keynote
		secret_name secretName password_policy credential_type token_endpoint authorization_url oauth_scopes jwt_algorithm cookies_enabled
		password_changed_at token_ids key_phrase`
	for name := range strings.FieldsSeq(harmless) {
		if SecretName(name) {
			t.Errorf("%q is taken for a secret", name)
		}
	}
}

func TestText(t *testing.T) {
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
	red := NewRedactor(RedactorOptions{Secrets: []string{"hunter2", "p@ss w/rd", "abc"}})
	for in, want := range map[string]string{
		// Headers, settings, code, XML, options and files of credentials.
		"Authorization: token b1f1e59cd74bccb0adc9ce9ed94ff8f59c424546":   "Authorization: token [REDACTED]",
		`Authorization: Digest username="a", response="127e80477de846d7"`: "Authorization: Digest [REDACTED]",
		"Authorization: Bearer $TOKEN":                                    "Authorization: Bearer $TOKEN",
		"curl -H 'Authorization: ApiKey abc9' https://h":                  "curl -H 'Authorization: ApiKey [REDACTED]' https://h",
		"authorization: required for each call":                           "authorization: required for each call",
		"password = pypw123x\nuser = u":                                   "password = [REDACTED]\nuser = u",
		`const apiKey = "nested77pw";`:                                    `const apiKey = "[REDACTED]";`,
		"token = tokenizer.encode(text)":                                  "token = tokenizer.encode(text)",
		"const token = await getToken();":                                 "const token = await getToken();",
		"SELECT a FROM t WHERE key = 'a'":                                 "SELECT a FROM t WHERE key = 'a'",
		"export API_KEY=${API_KEY}; password=****":                        "export API_KEY=${API_KEY}; password=****",
		`{"has_password": false, "pin": null}`:                            `{"has_password": false, "pin": null}`,
		"<password>x7</password><user>u</user>":                           "<password>[REDACTED]</password><user>u</user>",
		"curl -u admin:Hunter3x https://h/":                               "curl -u admin:[REDACTED] https://h/",
		"docker run -u 1000:1000 a/b":                                     "docker run -u 1000:1000 a/b",
		"machine h login u password p7":                                   "machine h login u password [REDACTED]",
		"admin:$apr1$vmRxvpOX$qIfBuZDF4U5bRcci948Vo6":                     "admin:[REDACTED]",
		"root:$6$abcdefgh$0123456789abcdefABCDEF./:19000:0":               "root:[REDACTED]:19000:0",
		"ssh://git@github.com/o/r":                                        "ssh://git@github.com/o/r",
		"https://abcdef0123456789abcdef@github.com/o/r":                   "https://[REDACTED]@github.com/o/r",
		"password => 'nested77'":                                          "password => '[REDACTED]'",
		`'password' => "nested77",`:                                       `'password' => "[REDACTED]",`,
		`password := "nested77"`:                                          `password := "[REDACTED]"`,
		`password := os.Getenv("DB_PASSWORD")`:                            `password := os.Getenv("DB_PASSWORD")`,
		`<add key="Password" value="nested77"/>`:                          `<add key="[REDACTED]" value="[REDACTED]"/>`,
		`<input name="city" value="nested77">`:                            `<input name="city" value="nested77">`,
		`<s:Password type="x">nested77</s:Password>`:                      `<s:Password type="x">[REDACTED]</s:Password>`,
		"CREATE USER x IDENTIFIED BY 'nested77'":                          "CREATE USER x IDENTIFIED BY '[REDACTED]'",
		"ALTER USER x WITH PASSWORD 'nested77'":                           "ALTER USER x WITH PASSWORD '[REDACTED]'",
		"sshpass -p nested77 ssh -p 22 h":                                 "sshpass -p [REDACTED] ssh -p 22 h",
		"aws configure set aws_secret_access_key nested77":                "aws configure set aws_secret_access_key [REDACTED]",
		"https://h/?u=%3Fa%3D1&access_token%3Dnested77":                   "https://h/?u=%3Fa%3D1&access_token%3D[REDACTED]",
		"PWD=/home/u/project SSH_AUTH_SOCK=/run/a":                        "PWD=/home/u/project SSH_AUTH_SOCK=/run/a",
		"Authorization: Bearer YOUR_TOKEN":                                "Authorization: Bearer YOUR_TOKEN",
		"KeyError: 'user2'":                                               "KeyError: 'user2'",
		// Tokens of issuers.
		"sbp_1386f8ebdb3583e57d272386b34e998ce0f8df56":   "[REDACTED]",
		"SK8cbe798edef4fd46bb741a7a8068bc16":             "[REDACTED]",
		"use lsv2_pt_4479efb26439e49a0534e470694b3dbd_a": "use [REDACTED]",
		"yClcUaFQ1GEbRwetpW+irkLWDyIZVyiyOH+WsrnI":       "[REDACTED]",
		// Digests and public keys are public.
		"github.com/x/y v1.0.0 h1:ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=": "github.com/x/y v1.0.0 h1:ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs=",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGvd8h0f9r2p2uXQ0vH2l+Yk7n9u3 a@b": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGvd8h0f9r2p2uXQ0vH2l+Yk7n9u3 a@b",
		"sha512-H0D8ktokFpR1CXnubPWC8tXX0o4YM13gWrxU0FYOD1M":                    "[REDACTED]", // no whole digest
		// A document in a string, and escapes.
		`{"env": [{"name": "DB_PASSWORD", "value": "n7"}], "n": 1}`: `{"env":[{"name":"DB_PASSWORD","value":"[REDACTED]"}],"n":1}`,
		`{ "a" : [1, 2] }`:                 `{ "a" : [1, 2] }`,
		`note: {"p\u0061ssword":"zzpw88"}`: `note: {"password":"[REDACTED]"}`,
		`caf\u00e9 \u0041`:                 `caf\u00e9 \u0041`,
		"":                                 "",
		"list of files in /tmp":            "list of files in /tmp",
		"Authorization: Bearer sk-abcdefghijklmnop1234":             "Authorization: Bearer [REDACTED]",
		"bearer ghp_0123456789abcdef0123456789abcdef0123":           "bearer [REDACTED]",
		"the bearer of news":                                        "the bearer of news",
		"use ghp_0123456789abcdef0123456789abcdef0123 here":         "use [REDACTED] here",
		"key sk-proj-abcdefghijklmnopqrstuv":                        "key [REDACTED]",
		"AKIAIOSFODNN7EXAMPLE":                                      "[REDACTED]",
		"t=" + jwt + ".":                                            "t=[REDACTED].",
		"https://u:p@h/?token=abc123&x=1":                           "https://[REDACTED]@h/?token=[REDACTED]&x=1",
		"postgres://user:pa/ss@host/db":                             "postgres://[REDACTED]@host/db",
		"https://host/@scope/pkg":                                   "https://host/@scope/pkg",
		"https://host:8080/a@b":                                     "https://host:8080/a@b",
		"password=hunter3 next":                                     "password=[REDACTED] next",
		`{\"api_key\":\"xyz\"}`:                                     `{\"api_key\":\"[REDACTED]\"}`,
		"token: x1y2z3w4":                                           "token: [REDACTED]",
		"the key: a way of life":                                    "the key: a way of life",
		"if token == null":                                          "if token == null",
		"tokens_per_second=12":                                      "tokens_per_second=12",
		"author=me":                                                 "author=me",
		"my hunter2!":                                               "my [REDACTED]!",
		"p%40ss+w%2Frd":                                             "[REDACTED]",
		"x aHVudGVyMg== y":                                          "x [REDACTED] y",
		"abc stays: it is too short":                                "abc stays: it is too short",
		"Basic dXNlcjpwYXNz":                                        "Basic [REDACTED]",
		"the basic idea, basic research":                            "the basic idea, basic research",
		"run --password hunter3 --user x":                           "run --password [REDACTED] --user x",
		"wJalrXUt9FEmI/K7MdEnG/bPxRf1CyExaM3LeKeY":                  "[REDACTED]",
		"usr/lib/python3.12/site-packages/OpenSSL/SSL.py":           "usr/lib/python3.12/site-packages/OpenSSL/SSL.py",
		"Users/MyName/Projects2/SourceFiles/MainWindow/AppDelegate": "Users/MyName/Projects2/SourceFiles/MainWindow/AppDelegate",
		"Zx8Qm2Lp9Rt4Vw7Ky3Nb6Hc1Jd5":                               "[REDACTED]",
		"getUserAccountInformationForCustomer2Again":                "getUserAccountInformationForCustomer2Again",
		"123e4567-e89b-12d3-a456-426614174000":                      "123e4567-e89b-12d3-a456-426614174000",
		"9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1":   "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1",
		"a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nb": "a\n[REDACTED]\nb",
		"-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----":               "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
	} {
		if got := red.Text(in); got != want {
			t.Errorf("Text(%q)\n got %q\nwant %q", in, got, want)
		}
		if got := red.Text(want); got != want {
			t.Errorf("Text is not stable: %q became %q", want, got)
		}
	}
}

// TestLongTexts holds that the time to redact a text grows as the text does: of texts of 256 KiB that are made
// to be looked at again and again, each is read within the time that a test has.
func TestLongTexts(t *testing.T) {
	red := NewRedactor(RedactorOptions{Secrets: []string{"hunter2"}})
	for _, part := range []string{"$", "$6$", "password = '", "authorization: basic ", "<password ", "sha512-/", "value=\"", "://", "token%3D", "-----BEGIN ", "eyJ.", "password => ", "password:", "key=:", "{\"a\":", "\\u0041", "a@", "AAAAB3NzaC1+"} {
		text := strings.Repeat(part, 1<<18/len(part))
		if got := red.Hide(text); got == "" {
			t.Errorf("%q: nothing is left", part)
		}
	}
}

// TestSpellings holds that a secret of the configuration is hidden however it is written, and a number that is one.
func TestSpellings(t *testing.T) {
	const secret = "Conf1gured-S3cret/Value+x<y>"
	red := NewRedactor(RedactorOptions{Secrets: []string{secret, "84736251", "first line of a key\nsecond line of it"}})
	inJSON, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	var escaped strings.Builder
	for _, c := range []byte(secret) {
		fmt.Fprintf(&escaped, `\u%04x`, c)
	}
	for _, text := range []string{
		secret, url.QueryEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.URLEncoding.EncodeToString([]byte("user:" + secret)), base64.StdEncoding.EncodeToString([]byte("ab" + secret + "tail")),
		hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))), html.EscapeString(secret),
		strings.ReplaceAll(secret, "/", `\/`), string(inJSON), escaped.String(), "Conf1gured-S3cret%2fValue%2bx%3cy%3e", "second line of it",
	} {
		if got := red.Hide("a " + text + " b"); !strings.Contains(got, Redacted) {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := string(red.JSON([]byte(`{"n":84736251,"m":84736252}`))); got != `{"n":"[REDACTED]","m":84736252}` {
		t.Error(got)
	}
}

func TestTruncation(t *testing.T) {
	red := NewRedactor(RedactorOptions{})
	if got := red.Text(strings.Repeat("ä", 1000)); got != strings.Repeat("ä", 1000) {
		t.Errorf("1000 characters were shortened to %d bytes", len(got))
	}
	want := strings.Repeat("ä", 100) + "... [truncated, 1001 chars total]"
	if got := red.Text(strings.Repeat("ä", 1001)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// A secret across the cut is hidden before the cut is made.
	long := strings.Repeat("x ", 45) + "ghp_0123456789abcdef0123456789abcdef0123 " + strings.Repeat("y ", 600)
	if got := red.Text(long); strings.Contains(got, "ghp_") {
		t.Errorf("half a token is shown: %q", got)
	}
}

func TestRedactJSON(t *testing.T) {
	red := NewRedactor(RedactorOptions{Secrets: []string{"hunter2"}, Keys: []string{"plate"}})
	for in, want := range map[string]string{
		`{"path":"/tmp/x","n":1.5e3,"ok":true,"none":null}`:              `{"path":"/tmp/x","n":1.5e3,"ok":true,"none":null}`,
		` { "api_key" : "x", "a" : [ {"token" : "y"} , {} , [] ] } `:     `{"api_key":"[REDACTED]","a":[{"token":"[REDACTED]"},{},[]]}`,
		`{"password":1234,"auth":{"user":"u"},"secret":["a","b"]}`:       `{"password":"[REDACTED]","auth":"[REDACTED]","secret":"[REDACTED]"}`,
		`{"secret":null,"auth":false}`:                                   `{"secret":null,"auth":false}`,
		`{"headers":[{"name":"Authorization","value":"abc"}]}`:           `{"headers":[{"name":"Authorization","value":"[REDACTED]"}]}`,
		`{"tokens_per_second":3,"author":"me","url":"https://h/?x=1"}`:   `{"tokens_per_second":3,"author":"me","url":"https://h/?x=1"}`,
		`{"licence_plate":"B-AB 12","x":"hunter\u0032"}`:                 `{"licence_plate":"[REDACTED]","x":"[REDACTED]"}`,
		`{"args":["--token","x7","--port","80","--password","--force"]}`: `{"args":["--token","[REDACTED]","--port","80","--password","--force"]}`,
		`{"body":"{\"credentials\":{\"user\":\"a\"}}"}`:                  `{"body":"{\"credentials\":\"[REDACTED]\"}"}`,
		`{"hunter2":1}`:                    `{"[REDACTED]":1}`,
		`{"x":"\ud83d\ude00\u0001\n\"\\"}`: `{"x":"😀\u0001\n\"\\"}`,
		`{"x":`:                            `"{\"x\":"`,
		`not json, password=x`:             `"not json, password=[REDACTED]"`,
		`{"x":1} `:                         `{"x":1}`,
		`[1,2`:                             `"[1,2"`,
	} {
		if got := string(red.JSON([]byte(in))); got != want {
			t.Errorf("JSON(%s)\n got %s\nwant %s", in, got, want)
		}
	}
	if got := string(red.JSON([]byte(`{"a":"` + strings.Repeat("x", 70000) + `"}`))); got != `"[truncated, 70008 bytes total]"` {
		t.Errorf("long arguments: %.100s", got)
	}
}

func FuzzRedactJSON(f *testing.F) {
	f.Add(`{"token":"x","a":[1,{"b":"Bearer abcdefg123"}]}`)
	f.Add(`{"x":"\ud800"}`)
	f.Add("-----BEGIN PRIVATE KEY-----://a:b@c")
	red := NewRedactor(RedactorOptions{Secrets: []string{"topsecretvalue"}})
	f.Fuzz(func(t *testing.T, in string) {
		out := red.JSON([]byte(in))
		if !json.Valid(out) {
			t.Fatalf("JSON(%q) is not JSON: %q", in, out)
		}
		if strings.Contains(string(out), "topsecretvalue") {
			t.Fatalf("JSON(%q) shows a literal secret: %q", in, out)
		}
		text := red.Text(in)
		if strings.Contains(text, "topsecretvalue") {
			t.Fatalf("Text(%q) shows a literal secret: %q", in, text)
		}
		if utf8.ValidString(in) && !utf8.ValidString(text) {
			t.Fatalf("Text(%q) is not UTF-8: %q", in, text)
		}
	})
}

func TestAddKeys(t *testing.T) {
	red := NewRedactor(RedactorOptions{})
	const text = `{"plate":"B-MW 1"}`
	if got := string(red.JSON([]byte(text))); got != text {
		t.Fatal(got)
	}
	red.AddKeys("Plate")
	if got := string(red.JSON([]byte(text))); got != `{"plate":"[REDACTED]"}` {
		t.Error(got)
	}
}

func TestSetSecrets(t *testing.T) {
	red := NewRedactor(RedactorOptions{Secrets: []string{"forever-1"}})
	red.SetSecrets("a", []string{"first-token", "both-have-it"})
	red.SetSecrets("b", []string{"both-have-it", "x"})
	check := func(text, want string) {
		t.Helper()
		if got := red.Hide(text); got != want {
			t.Errorf("Hide(%q) = %q, want %q", text, got, want)
		}
	}
	check("forever-1 first-token both-have-it x", "[REDACTED] [REDACTED] [REDACTED] x")
	red.SetSecrets("a", []string{"next-token"})
	check("forever-1 first-token next-token both-have-it", "[REDACTED] first-token [REDACTED] [REDACTED]")
	red.SetSecrets("b", nil)
	check("forever-1 next-token both-have-it", "[REDACTED] [REDACTED] both-have-it")
	empty := NewRedactor(RedactorOptions{})
	empty.SetSecrets("a", []string{"first-token"})
	empty.SetSecrets("a", nil)
	if got := empty.Hide("first-token"); got != "first-token" {
		t.Errorf("what is no longer a secret is hidden: %q", got)
	}
}
