package certs

import (
	"bytes"
	"crypto/tls"
	"errors"
)

// ErrOther says that another certificate was shown than the one in the file.
var ErrOther = errors.New("the server's certificate is not the one in the file of tls-cert")

// Self returns the configuration of TLS with which the server that uses the files is asked how it is. It
// expects that server's certificate, whatever name or root it has, and shows it too if clients must show
// one. Where the files are no good a server goes on with the last good ones: there is then nothing to
// compare with, and any certificate will do.
func Self(files Files) *tls.Config {
	c := base()
	c.NextProtos = nil
	c.InsecureSkipVerify = true // VerifyConnection compares the certificate itself
	content, err := files.read()
	defer clear(content)
	if err != nil {
		return c
	}
	own, err := files.parse(content)
	if err != nil {
		return c
	}
	pair := &own.config.Certificates[0]
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if !bytes.Equal(state.PeerCertificates[0].Raw, own.leaf.Raw) {
			return ErrOther
		}
		return nil
	}
	return c
}
