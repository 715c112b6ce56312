package config

import (
	"regexp"
	"strings"

	"github.com/hashd-project/hashd/v2/internal/mistyped"
)

// fromEnviron takes every variable that begins with HASHD_. One that is no setting is an
// error: it is most likely a misspelt limit, which must not go unnoticed.
func (s *Settings) fromEnviron(environ []string) (values []given, errs []error) {
	inPod := inKubernetes(environ)
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || isNoSetting(name) || inPod && serviceLink.MatchString(entry) {
			continue
		}
		source := "environment " + printable(name)
		if row := s.find(name, (*setting).env); row != nil {
			values = append(values, given{row, text, source})
			continue
		}
		errs = append(errs, s.unknown(source, name, (*setting).env))
	}
	return values, errs
}

// platformPort is the variable by which hosting platforms hand out a port.
const platformPort = "PORT"

// fromPlatform returns the port of a hosting platform, if there is one.
func (s *Settings) fromPlatform(environ []string) (given, bool) {
	for _, entry := range environ {
		if text, ok := strings.CutPrefix(entry, platformPort+"="); ok && text != "" {
			return given{s.find("port", func(row *setting) string { return row.name }), text, "environment " + platformPort}, true
		}
	}
	return given{}, false
}

// Variables of ours that are no settings. The first is a secret, and a Config holds none; the others
// tell hashctl, the client, where the server is and which key to show, and both run in one shell.
const (
	RingVariable  = envPrefix + "RING" // holds a ring
	clientServer  = envPrefix + "SERVER"
	clientKey     = envPrefix + "API_KEY"
	clientKeyFile = clientKey + "_FILE"
)

// ringFrom returns the ring in the environment, in the memory that it has there; nil if there is none.
func ringFrom(environ []string) *string {
	for _, entry := range environ {
		if ring, ok := strings.CutPrefix(entry, RingVariable+"="); ok {
			return &ring
		}
	}
	return nil
}

func isNoSetting(name string) bool {
	switch name {
	case RingVariable, clientServer, clientKey, clientKeyFile:
		return true
	}
	return false
}

// serviceLink matches the variables that Kubernetes gives each pod for every Service of its
// namespace. For a Service called hashd they begin with our prefix, and HASHD_PORT is among
// them, as tcp://10.0.0.1:80; nobody meant them as settings.
var serviceLink = regexp.MustCompile(`^HASHD_([A-Z0-9_]+_)?(` +
	`SERVICE_HOST=|SERVICE_PORT(_[A-Z0-9_]+)?=|` +
	`PORT=(tcp|udp|sctp)://|PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?=)`)

// inKubernetes reports whether the process runs in a pod, where this variable is always set.
func inKubernetes(environ []string) bool {
	for _, entry := range environ {
		if strings.HasPrefix(entry, "KUBERNETES_SERVICE_HOST=") {
			return true
		}
	}
	return false
}

// find returns the setting whose name, as the source spells it, is name; nil if there is none.
func (s *Settings) find(name string, spell func(*setting) string) *setting {
	for i := range s.table {
		if row := &s.table[i]; spell(row) == name {
			return row
		}
	}
	return nil
}

// unknown returns the error for a name that is no setting, with the one most like it. A name
// spelled for another source is like its own setting.
func (s *Settings) unknown(source, name string, spell func(*setting) string) *Error {
	name = strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, envPrefix), "_", "-"))
	names := make([]string, len(s.table))
	for i := range s.table {
		names[i] = s.table[i].name
	}
	nearest := s.find(mistyped.Nearest(name, names), func(row *setting) string { return row.name })
	return &Error{Source: source, Problem: "there is no such setting", Remedy: "the nearest is " + spell(nearest)}
}
