package oauth

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// assertion is the JWT by which a client proves itself (RFC 7523 section 3): it is good for one request
// to one authorization server.
func (c *Client) assertion(clientID string, server serverMetadata) (string, error) {
	cfg := c.opts.Config
	text := cfg.PrivateKey
	if cfg.PrivateKeyFile != "" {
		data, err := readFile(cfg.PrivateKeyFile)
		if err != nil {
			return "", c.errorf(Refused, "private_key_file: %v", err)
		}
		text = string(data)
	}
	key, err := parseKey(text)
	if err != nil {
		return "", c.errorf(Refused, "the private key of the \"oauth\" block: %v", err)
	}
	method, err := signingMethod(key, cfg.SigningAlgorithm, server.SigningAlgorithms)
	if err != nil {
		return "", c.errorf(Refused, "%v", err)
	}
	now := c.now()
	token := jwt.NewWithClaims(method, jwt.MapClaims{
		"iss": clientID, "sub": clientID, "aud": server.Issuer, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	if cfg.KeyID != "" {
		token.Header["kid"] = cfg.KeyID
	}
	signed, err := token.SignedString(key)
	if err != nil {
		return "", c.errorf(Refused, "the private key of the \"oauth\" block cannot sign %s: %v", method.Alg(), err)
	}
	c.secret(signed)
	return signed, nil
}

// parseKey reads a private key in PEM: PKCS #8, or the older forms of EC and RSA keys.
func parseKey(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("it is not in PEM")
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
		return nil, fmt.Errorf("a key of the type %T does not sign", key)
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	return nil, fmt.Errorf("it is no private key that can be read (%s)", clean(block.Type))
}

// signingMethod chooses an algorithm that the key can do: the wanted one, else the first that the server
// takes, else the usual one.
func signingMethod(key crypto.Signer, wanted string, supported []string) (jwt.SigningMethod, error) {
	var able []string
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		able = []string{map[elliptic.Curve]string{elliptic.P256(): "ES256", elliptic.P384(): "ES384", elliptic.P521(): "ES512"}[k.Curve]}
	case *rsa.PrivateKey:
		able = []string{"RS256", "PS256", "RS384", "RS512", "PS384", "PS512"}
	case ed25519.PrivateKey:
		able = []string{"EdDSA"}
	}
	if wanted != "" && !slices.Contains(able, wanted) {
		return nil, fmt.Errorf("\"signing_algorithm\" %q does not fit the private key, which can sign %v", wanted, able)
	}
	for _, algorithm := range able {
		if method := jwt.GetSigningMethod(cmp.Or(wanted, algorithm)); method != nil && (wanted != "" || len(supported) == 0 || slices.Contains(supported, algorithm)) {
			return method, nil
		}
	}
	return nil, fmt.Errorf("the authorization server takes assertions signed by %q, and the private key can sign %v", clean(fmt.Sprint(supported)), able)
}

// newDPoPKey makes a key that tokens are bound to, in PEM.
func newDPoPKey() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), err
}

// proof is the JWT that shows that who sends a request has the key (RFC 9449 section 4.2). With an access
// token, it is bound to that too.
func (c *Client) proof(keyPEM, method string, target *url.URL, access string) (string, error) {
	key, err := c.bindingKeyOf(keyPEM)
	if err != nil {
		return "", err
	}
	point, err := key.PublicKey.Bytes() // 0x04, X, Y
	if err != nil {
		return "", err
	}
	claims := jwt.MapClaims{
		"jti": rand.Text(), "htm": method, "htu": target.Scheme + "://" + target.Host + target.EscapedPath(), "iat": c.now().Unix(),
	}
	if access != "" {
		sum := sha256.Sum256([]byte(access))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if nonce := c.nonce(target); nonce != "" {
		claims["nonce"] = nonce
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	token.Header["typ"] = "dpop+jwt"
	token.Header["jwk"] = map[string]string{
		"kty": "EC", "crv": "P-256",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}
	return token.SignedString(key)
}

// boundKey is a key that tokens are bound to, and its text.
type boundKey struct {
	text string
	key  *ecdsa.PrivateKey
}

// bindingKeyOf reads a key that tokens are bound to; the last one is kept, since reading takes longer than
// signing.
func (c *Client) bindingKeyOf(text string) (*ecdsa.PrivateKey, error) {
	c.mu.Lock()
	last := c.lastKey
	c.mu.Unlock()
	if last.key != nil && last.text == text {
		return last.key, nil
	}
	signer, err := parseKey(text)
	if err != nil {
		return nil, err
	}
	key, ok := signer.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("the stored key of the tokens is no P-256 key; log in again")
	}
	c.mu.Lock()
	c.lastKey = boundKey{text, key}
	c.mu.Unlock()
	return key, nil
}

// nonce returns what the server at a target wants to see in proofs, or "".
func (c *Client) nonce(target *url.URL) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nonces[target.Scheme+"://"+target.Host]
}

// keepNonce notes the nonce of a response for the next proof and reports whether it is another one.
func (c *Client) keepNonce(req *http.Request, resp *http.Response) bool {
	nonce := resp.Header.Get("DPoP-Nonce")
	if nonce == "" || len(nonce) > 1024 {
		return false
	}
	origin := req.URL.Scheme + "://" + req.URL.Host
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nonces[origin] == nonce || len(c.nonces) > maxServers && c.nonces[origin] == "" {
		return false
	}
	c.nonces[origin] = nonce
	return true
}

// readFile reads a file with a key or a token.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readBounded(f)
}
