package audit

import "strings"

// secretWords mark a name as that of a secret wherever they stand in it as a whole word.
var secretWords = set(`password passwd passphrase passcode pwd token secret secrets key credential credentials cred creds
	auth authorization authentication cookie cookies apikey apitoken bearer jwt oauth signature sig otp totp pin ssn cvv
	authtoken accesstoken refreshtoken idtoken clientsecret secretkey privatekey accesskey sshkey authkey masterkey
	encryptionkey signingkey sessionid sessiontoken csrftoken xsrf csrf dsn passwords pass passwort mnemonic pgpass`)

// secretEnds make a secret of a word that ends in them, and secretPairs of two words in a row.
var (
	secretEnds  = []string{"password", "passwd", "passphrase", "apikey", "secretkey", "accesskey", "privatekey", "accesstoken", "authtoken"}
	secretPairs = set(`connectionstring seedphrase recoveryphrase recoverycode recoverycodes backupcode backupcodes verificationcode sessionid passphrase`)
)

// aboutAfter, at the end of a name, say that it is one of something about a secret and not the secret:
// secret_name, password_policy, token_endpoint.
var aboutAfter = set(`name names type types kind policy algorithm alg scope scopes endpoint endpoints url uri path file
	method methods mode count counts length format version strength status state enabled required supported expiry expires at
	rotation provider providers sock socket error errors arn consent`)

// harmlessBefore and harmlessAfter take the secret out of the word "key", "token" or "auth" next to
// them: a primary key, a token count.
var (
	harmlessBefore = set(`primary foreign sort partition unique composite public max min num total per prompt completion
		input output cached next previous page cursor stop eos bos pad sort group cache idempotency object s3 registry hot arrow shortcut`)
	harmlessAfter = set(`count counts limit limits usage budget size length type types per rate method methods mode name names
		index provider providers status bindings binding path paths file url uri enabled required expiry expires ttl ids phrase`)
	ambiguous = set(`key token auth signature sig pass pin authentication`)
)

// SecretName says whether a field, header or environment variable of this name holds a secret. It
// reads whole words, of camelCase, snake_case and kebab-case: "apiKey", "X-Auth-Token" and
// "GITHUB_TOKEN" do, "author", "monkey", "tokens_per_second" and "primary_key" do not.
func SecretName(name string) bool {
	var room [96]byte
	var ends [24]int
	words, n := split(name, room[:0], ends[:0])
	if n > 1 && aboutAfter[string(wordAt(words, ends[:], n-1))] {
		return false
	}
	for i := range n {
		w := wordAt(words, ends[:], i)
		if !secretWords[string(w)] {
			if endsSecret(w) || i+1 < n && secretPairs[string(w)+string(wordAt(words, ends[:], i+1))] {
				return true
			}
			continue
		}
		if i+1 < n && secretPairs[string(w)+string(wordAt(words, ends[:], i+1))] || !ambiguous[string(w)] {
			return true
		}
		if i > 0 && harmlessBefore[string(wordAt(words, ends[:], i-1))] {
			continue
		}
		if i+1 < n && harmlessAfter[string(wordAt(words, ends[:], i+1))] {
			continue
		}
		return true
	}
	return false
}

// endsSecret says whether a word of several without a break is a secret: pgpassword, dbpassword.
func endsSecret(word []byte) bool {
	if len(word) < 8 {
		return false
	}
	for _, end := range secretEnds {
		if strings.HasSuffix(string(word), end) {
			return true
		}
	}
	return false
}

// hasWord says whether one of the words of a name, or the whole name, is in the set.
func hasWord(name string, in map[string]bool) bool {
	if in[strings.ToLower(name)] {
		return true
	}
	var room [96]byte
	var ends [24]int
	words, n := split(name, room[:0], ends[:0])
	for i := range n {
		if in[string(wordAt(words, ends[:], i))] {
			return true
		}
	}
	return false
}

func wordAt(words []byte, ends []int, i int) []byte {
	start := 0
	if i > 0 {
		start = ends[i-1]
	}
	w := words[start:ends[i]]
	for len(w) > 1 && w[len(w)-1] >= '0' && w[len(w)-1] <= '9' { // key1, token2
		w = w[:len(w)-1]
	}
	return w
}

// split writes the words of a name in lower case into words, and where each ends into ends. It
// stops after as many words as ends has room for.
func split(name string, words []byte, ends []int) ([]byte, int) {
	start := 0
	for i := 0; i < len(name); i++ {
		c := name[i]
		upper := c >= 'A' && c <= 'Z'
		alnum := upper || isLower(c) || c >= 0x80
		starts := upper && i > 0 && (isLower(name[i-1]) || i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z')
		if len(words) > start && (!alnum || starts) {
			if len(ends) == cap(ends) {
				return words, len(ends)
			}
			ends = append(ends, len(words))
			start = len(words)
		}
		if upper {
			c += 'a' - 'A'
		}
		if alnum {
			words = append(words, c)
		}
	}
	if len(words) > start && len(ends) < cap(ends) {
		ends = append(ends, len(words))
	}
	return words, len(ends)
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}
