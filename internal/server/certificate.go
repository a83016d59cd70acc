package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/toolserve/toolserve/internal/server/reload"
)

// LoadCertificate reads a certificate, with the chain that belongs to it, and its key, both PEM files, for
// Options.Certificate. They are read again when they change, so that a renewed certificate needs no restart;
// log is told of that.
func LoadCertificate(certFile, keyFile string, log *slog.Logger) (func(*tls.ClientHelloInfo) (*tls.Certificate, error), error) {
	read := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("the certificate %s with the key %s: %w; give the PEM files of a certificate and of the key that belongs to it", certFile, keyFile, err)
		}
		if log != nil && pair.Leaf != nil && time.Now().After(pair.Leaf.NotAfter) {
			log.Warn("the certificate has expired", "file", certFile, "since", pair.Leaf.NotAfter)
		}
		return &pair, nil
	}
	files, err := reload.Open(read, log, certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return files.Get(), nil }, nil
}
