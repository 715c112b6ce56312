package auth

import (
	"errors"
	"strings"
)

// Scopes is a set of what a key allows.
type Scopes uint8

// The scopes.
const (
	Submit  Scopes = 1 << iota // new jobs
	Read                       // the hashes of jobs
	Cancel                     // the end of jobs and results
	Stats                      // the figures of the tenant
	Metrics                    // the figures of the whole server
	Admin                      // all of these, for the jobs and figures of all tenants
)

// DefaultScopes are those of a key for which none were chosen.
const DefaultScopes = Submit | Read | Cancel | Stats

var errNoScope = errors.New("the scopes are submit, read, cancel, stats, metrics and admin, at least one of them, each once")

func scopeNames() []string { return []string{"submit", "read", "cancel", "stats", "metrics", "admin"} }

// ParseScopes reads names separated by commas. Its errors do not quote the text.
func ParseScopes(text string) (Scopes, error) { return scopesOf(strings.Split(text, ",")) }

func scopesOf(names []string) (set Scopes, err error) {
	for _, name := range names {
		one := Scope(name)
		if one == 0 || set.Has(one) {
			return 0, errNoScope
		}
		set |= one
	}
	if set == 0 {
		return 0, errNoScope
	}
	return set, nil
}

// Scope returns the scope of that name; 0 if there is none.
func Scope(name string) Scopes {
	for i, known := range scopeNames() {
		if name == known {
			return 1 << i
		}
	}
	return 0
}

// Has reports whether all of those scopes are in the set.
func (s Scopes) Has(those Scopes) bool { return s&those == those }

// Names returns the names of the scopes in the set, always in the same order.
func (s Scopes) Names() []string {
	names := []string{}
	for i, name := range scopeNames() {
		if s.Has(1 << i) {
			names = append(names, name)
		}
	}
	return names
}

// String returns the names separated by commas, which ParseScopes reads.
func (s Scopes) String() string { return strings.Join(s.Names(), ",") }
