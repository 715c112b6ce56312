package server

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const app, stranger = "https://app.example.com", "https://stranger.example"

func allowing(cfg *Config) { cfg.Origins = []string{app, "http://localhost:3000"} }

// Without cors-origins no answer says anything to a page of another origin.
func TestNoCORS(t *testing.T) {
	s := newSite(t, on(fake{}))
	for _, what := range []string{"GET /healthz", "OPTIONS /hash", "GET /hash/42", "GET /nowhere"} {
		a := s.ask(what, "", "Origin: "+app, "Access-Control-Request-Method: POST")
		for name := range a.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %s: %s", what, name, a.header.Get(name))
			}
		}
	}
}

// A page of an origin that is allowed may read every answer, refusals too; a page of any other may read none.
func TestCORS(t *testing.T) {
	s := newSite(t, on(fake{}), allowing)
	for _, what := range []string{"GET /healthz", "POST /hash", "GET /hash/42", "GET /hash/x", "GET /nowhere", "PUT /hash", "GET /stats"} {
		for origin, good := range map[string]bool{
			app: true, "http://localhost:3000": true, stranger: false, "null": false, "": false, app + ".evil.example": false,
			"https://APP.example.com": false, "http://app.example.com": false, "http://localhost": false, app + ", " + stranger: false,
		} {
			a := s.ask(what, "", "Origin: "+origin)
			allowed, exposed := a.header.Get("Access-Control-Allow-Origin"), a.header.Get("Access-Control-Expose-Headers")
			if (allowed == origin && strings.Contains(exposed, "Location, ")) != good || !good && allowed+exposed != "" {
				t.Errorf("%s from %q: allowed %q, exposed %q", what, origin, allowed, exposed)
			}
			if !strings.Contains(a.header.Get("Vary"), "Origin") || a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s from %q: %v", what, origin, a.header)
			}
		}
	}
}

// What an answer exposes is all that the contract's answers have for a client.
func TestCORSExposesTheContractsFields(t *testing.T) {
	s := newSite(t, on(fake{}), allowing)
	exposed := strings.Split(s.ask("GET /healthz", "", "Origin: "+app).header.Get("Access-Control-Expose-Headers"), ", ")
	known := map[string]bool{"Cache-Control": true, "Content-Type": true, "Allow": true, "Vary": true}
	for _, name := range exposed {
		known[strings.ToLower(name)] = true
	}
	for path, item := range s.oracle.Paths.Map() {
		for method, operation := range item.Operations() {
			for status, response := range operation.Responses.Map() {
				for name := range response.Value.Headers {
					if !known[name] && !known[strings.ToLower(name)] {
						t.Errorf("%s %s %s: a page cannot read %s", method, path, status, name)
					}
				}
			}
		}
	}
}

// A browser learns before a request what may be sent.
func TestPreflight(t *testing.T) {
	s := newSite(t, on(fake{}), allowing)
	for path, methods := range map[string]string{"/hash": "OPTIONS, GET, HEAD, POST", "/hash/42": "OPTIONS, DELETE, GET, HEAD", "/hash/batch": "OPTIONS, DELETE, GET, HEAD, POST"} {
		a := s.ask("OPTIONS "+path, "", "Origin: "+app, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,content-type")
		if a.status != http.StatusNoContent || a.header.Get("Access-Control-Allow-Methods") != methods ||
			!strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Authorization, Content-Type, Idempotency-Key, Prefer") ||
			a.header.Get("Access-Control-Max-Age") == "" || a.header.Get("Access-Control-Allow-Origin") != app {
			t.Errorf("%s: %d %v", path, a.status, a.header)
		}
		for _, more := range [][]string{{"Origin: " + stranger, "Access-Control-Request-Method: POST"}, {"Origin: " + app}, {"Access-Control-Request-Method: POST"}} {
			if a := s.ask("OPTIONS "+path, "", more...); a.header.Get("Access-Control-Allow-Methods") != "" {
				t.Errorf("%s with %q: %v", path, more, a.header)
			}
		}
	}
}

// A browser that came over TLS is told to stay there, except for names that mean this machine.
func TestStrictTransportSecurity(t *testing.T) {
	for host, want := range map[string]string{
		"hash.example.com": "max-age=31536000", "hash.example.com:8443": "max-age=31536000", "10.0.0.1": "max-age=31536000",
		"localhost": "", "LOCALHOST:8443": "", "a.localhost": "", "127.0.0.1:8443": "", "[::1]": "",
	} {
		for _, secure := range []bool{false, true} {
			s := newSite(t, on(fake{}), func(cfg *Config) {
				cfg.Hosts = []string{"hash.example.com", "10.0.0.1"}
				if secure {
					cfg.TLS = &tls.Config{}
				}
			})
			r := httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody)
			r.Host = host
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, r)
			got := s.examine(r, w.Result()).header.Get("Strict-Transport-Security")
			if secure && got != want || !secure && got != "" {
				t.Errorf("%s, TLS %v: %q", host, secure, got)
			}
		}
	}
}
