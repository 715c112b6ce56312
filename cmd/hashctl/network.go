package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"github.com/hashd-project/hashd/v2/client"
)

// networkHint says what to do about a request that got no answer of hashd, or "" if that is not what
// went wrong.
func (p *program) networkHint(err error) string {
	const another = "--server or HASHD_SERVER names another"
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	lookup, unknown := errors.AsType[*net.DNSError](err)
	operation, _ := errors.AsType[*net.OpError](err)
	_, network := errors.AsType[*url.Error](err)
	switch {
	case errors.Is(err, client.ErrAnswer):
		return p.server + " is not a hashd, or something is in front of it; " + another
	case untrusted:
		return "renew the certificate of " + p.server + ", or name a file of certificates to trust with --ca or SSL_CERT_FILE"
	case client.IsCertificateRefused(err):
		return p.server + " wants a certificate of yours that it trusts; give it with --cert and --key"
	case errors.Is(err, http.ErrSchemeMismatch):
		return p.server + " speaks no TLS: give its URL with http://, if the network is to be trusted"
	case operation != nil && operation.Op == "proxyconnect":
		return "the proxy of HTTP_PROXY or HTTPS_PROXY can't be reached; NO_PROXY names what is reached without it"
	case unknown && lookup.IsNotFound:
		return "there is no host " + lookup.Name + "; check --server or HASHD_SERVER"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at " + p.server + ": is hashd running? " + another
	case network && errors.Is(err, context.DeadlineExceeded):
		return p.server + " does not answer: is it a hashd, and does a firewall let it through? " + another
	case !network && errors.Is(err, syscall.EPIPE):
		return "the reader of the output has ended"
	case network:
		return "is hashd running at " + p.server + "? " + another
	}
	return ""
}
