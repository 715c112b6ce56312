package client

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"time"

	gen "github.com/hashd-project/hashd/v2/gen/client"
)

// Doer sends a request, as an *http.Client does.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Operations has a method for each operation of the contract, which sends one request and returns
// its answer by its type: no retries, no waiting. Jobs is what most users want.
type Operations = gen.ClientWithResponses

// NewOperations returns the operations of the server, or an error if its URL is none. They are sent
// by the given Doer, and by a NewHTTPClient if that is nil; Authorized makes one that shows an API key. Of an *http.Client
// a copy is used that follows no redirect, which would take a secret to another place.
func NewOperations(server string, http Doer) (*Operations, error) {
	if err := checkServer(server); err != nil {
		return nil, err
	}
	return gen.NewClientWithResponses(server, gen.WithHTTPClient(staying(http)))
}

// checkServer returns an error if the text is not the URL of a server. It does not quote it, for there may be a
// secret in it: URLs get into logs, histories and errors.
func checkServer(server string) error {
	u, err := url.Parse(server)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the server must be a URL that begins with http:// or https://")
	case tokens.MatchString(u.Path) || tokens.MatchString(u.Host):
		return errors.New("the server's URL must have no API key in it: keys go into a header")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("the server's URL must have no user, password, query or fragment")
	}
	return nil
}

// NewHTTPClient returns a client that follows no redirect, and keeps as many connections as a bulk of
// requests uses.
func NewHTTPClient() *http.Client { return newHTTPClient(nil) }

func newHTTPClient(trust *tls.Config) *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSClientConfig: trust}
	transport.MaxIdleConnsPerHost = 64
	transport.IdleConnTimeout = time.Minute
	return &http.Client{Transport: transport, CheckRedirect: noRedirect}
}

// staying returns what sends requests as the Doer does but follows no redirect: net/http would send
// a secret again to wherever a 307 or 308 says.
func staying(d Doer) Doer {
	switch given := d.(type) {
	case nil:
		return NewHTTPClient()
	case *http.Client:
		c := *given
		c.CheckRedirect = noRedirect
		return &c
	}
	return d
}

// noRedirect makes a redirect the answer, and does not follow it.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
