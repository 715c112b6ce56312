package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	"github.com/hashd-project/hashd/v2/client"
	"github.com/hashd-project/hashd/v2/internal/private"
)

// The variables of the key: one holds it, the other names the file that does.
const (
	keyVariable     = "HASHD_API_KEY"
	keyFileVariable = keyVariable + "_FILE"
)

// access is how hashctl shows itself to a server and what it trusts there. The fields but the last two are flags.
type access struct {
	keyFile   string // wins over the variables
	ca        string
	cert, key string

	source client.KeySource // of the key, once it was read; nil for none
	warned bool             // that it goes over the network in plain text
}

func (a *access) addFlags(f *pflag.FlagSet) {
	f.StringVar(&a.keyFile, "api-key-file", "", "file that holds the API key")
	f.StringVar(&a.ca, "ca", "", "file of certificates to trust")
	f.StringVar(&a.cert, "cert", "", "file of the certificate to show")
	f.StringVar(&a.key, "key", "", "file of the certificate's private key")
}

// file returns the path of the file that holds the API key, and what names it; "" if none does.
func (a *access) file(env func(string) string) (path, by string) {
	if a.keyFile != "" {
		return a.keyFile, "--api-key-file"
	}
	return env(keyFileVariable), keyFileVariable
}

// name says where the API key is from, "" if there is none.
func (a *access) name(env func(string) string) string {
	if path, _ := a.file(env); path != "" {
		return "in " + path
	}
	if env(keyVariable) != "" {
		return "of " + keyVariable
	}
	return ""
}

// keys returns the source of the API key, which it has read once; nil if there is none.
func (a *access) keys(ctx context.Context, env func(string) string) (client.KeySource, error) {
	if a.source != nil || a.name(env) == "" {
		return a.source, nil
	}
	path, by := a.file(env)
	if by == keyFileVariable && path != "" && env(keyVariable) != "" {
		return nil, &usageError{keyVariable + " and " + keyFileVariable + " are both set", "keep one of them"}
	}
	source := client.KeyFile(path)
	if path == "" {
		source = client.StaticKey(env(keyVariable))
	}
	_, err := source(ctx)
	switch {
	case err != nil && path == "":
		return nil, &usageError{keyVariable + " has no API key: " + err.Error(), "'hashd key add' at the server prints one"}
	case err != nil:
		return nil, &failure{fmt.Errorf("%s: %w", by, err), "the file has the API key alone, and only its owner can read it"}
	}
	a.source = source
	return source, nil
}

// tls returns how to trust the server, nil for the way of the system.
func (a *access) tls(server string) (*tls.Config, error) {
	if a.ca == "" && a.cert == "" && a.key == "" {
		return nil, nil //nolint:nilnil // the way of the system needs no words
	}
	if !strings.HasPrefix(strings.ToLower(server), "https://") {
		return nil, &usageError{"--ca, --cert and --key are for servers of https", "give --server a URL that begins with https://"}
	}
	if (a.cert == "") != (a.key == "") {
		return nil, &usageError{"--cert and --key belong together", "--key names the file of the certificate's private key; an API key comes from --api-key-file"}
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.ca != "" {
		trust.RootCAs = x509.NewCertPool()
		text, err := os.ReadFile(a.ca)
		if err == nil && !trust.RootCAs.AppendCertsFromPEM(text) {
			err = errors.New(a.ca + " has no certificate")
		}
		if err != nil {
			return nil, &failure{fmt.Errorf("--ca: %w", err), "give a file of certificates in PEM"}
		}
	}
	if a.cert != "" {
		if _, err := a.pair(); err != nil {
			return nil, &failure{fmt.Errorf("--cert and --key: %w", err), "give the certificate and its private key in PEM"}
		}
		trust.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return a.pair() }
	}
	return trust, nil
}

// pair reads the certificate to show anew, for it may be replaced while a bulk or a tail runs.
func (a *access) pair() (*tls.Certificate, error) {
	if err := private.Check(a.key); err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(a.cert, a.key)
	return &pair, err
}

// isPlain reports whether what is sent to the server can be read on a network.
func isPlain(server string) bool {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	address, err := netip.ParseAddr(host)
	return host != "localhost" && !strings.HasSuffix(host, ".localhost") && (err != nil || !address.Unmap().IsLoopback())
}

// warnOfPlainKey tells, once, that others can read the key.
func (p *program) warnOfPlainKey() {
	if p.access.warned || p.access.source == nil || !isPlain(p.server) {
		return
	}
	p.access.warned = true
	text := errors.New("the API key goes to " + p.server + " unencrypted: who is on the way can read and use it")
	p.report(local("plain-key", "Unencrypted key", text, "give the server's URL with https://, if it has one", exitOK))
}

// tokens are API keys wherever they stand in a text.
var tokens = regexp.MustCompile(`hashd_[a-z0-9]{10}_[0-9A-Za-z]*`)

// withoutKeys returns the text with what looks like an API key replaced: somebody may have given one in place of a
// file's name.
func withoutKeys(text string) string { return tokens.ReplaceAllLiteralString(text, "hashd_…") }
