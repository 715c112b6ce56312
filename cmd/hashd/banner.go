package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"github.com/hashd-project/hashd/v2/internal/config"
)

// screenOf returns where a person who has started the server by hand reads: the log's terminal, or the one of
// standard output if the log goes elsewhere; nil if there is none. Who asked for JSON, or for less than what is usual, is
// left alone. done ends the use of it.
func screenOf(cfg *config.Config, stdout io.Writer, stderr *outbox) (screen *outbox, done func()) {
	switch {
	case cfg.LogFormat != config.LogText || cfg.LogLevel > slog.LevelInfo:
	case isTerminal(stderr.w):
		return stderr, func() {}
	case isTerminal(stdout):
		own := newOutbox(stdout)
		return own, own.close
	}
	return nil, func() {}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// greet tells a person at a terminal where the server is, what it allows, and how to try it.
func (p *program) greet(url, ops string) {
	if p.screen != nil {
		_, _ = io.WriteString(p.screen, p.banner(url, ops))
	}
}

// banner is what greet tells.
func (p *program) banner(url, ops string) string {
	cfg := &p.cfg
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-8s"+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(&b, "\nhashd is ready.\n\n")
	row("page", "%s/", url)
	row("API", "%s, documented at %s/docs", url, url)
	row("health", "%s/readyz, metrics at %s/metrics", ops, ops)
	row("engine", "%s", cfg.Engine)
	row("jobs", "hashed %v after their acceptance, results kept for %v", cfg.Delay, cfg.Retention)
	row("limits", "%d jobs pending, %d in all, %d connections", cfg.MaxPending, cfg.MaxResults, p.server.Limit())
	var leaf *x509.Certificate
	if p.files.certs != nil {
		leaf = p.files.certs.Leaf()
	}
	with, after := "", " once every accepted job is hashed"
	if cfg.APIKeys != "" {
		with = ", with the token that 'hashd key add' printed in the variable HASHD_API_KEY"
	}
	if cfg.Drain == config.DrainHandover {
		after = "; the next start goes on with its jobs"
	}
	fmt.Fprintf(&b, "\nTry it%s:\n\n%s\n\nCtrl-C stops hashd%s.\n\n", with, firstRequest(cfg, url, leaf), after)
	return b.String()
}

// firstRequest is a command for a shell that submits a job, as it stands. It has the token of a key from a variable and on
// no command line, so that nobody else on the machine sees it.
func firstRequest(cfg *config.Config, url string, leaf *x509.Certificate) string {
	before, options := "", ""
	if cfg.APIKeys != "" {
		before, options = `printf 'Authorization: Bearer %s\n' "$HASHD_API_KEY" | `, " -H @-"
	}
	if leaf != nil {
		var more string
		url, more = trusting(cfg, url, leaf)
		options += more
	}
	return before + "curl -sS" + options + " " + url + `/hash -H 'Content-Type: application/json' -d '{"password": "angryMonkey"}'`
}

// trusting returns the URL and the options with which curl trusts the server's certificate, whatever name that is for,
// and shows one itself if it must: the server lets in its own.
func trusting(cfg *config.Config, url string, leaf *x509.Certificate) (as, options string) {
	options = " --cacert " + pathInShell(cfg.TLSCert)
	if cfg.TLSClientCA != "" {
		options += " --cert " + pathInShell(cfg.TLSCert) + " --key " + pathInShell(cfg.TLSKey)
	}
	address := strings.TrimPrefix(url, "https://")
	host, port, _ := net.SplitHostPort(address)
	name := nameOf(leaf, host)
	if name == host {
		return url, options
	}
	as = net.JoinHostPort(name, port)
	return "https://" + as, options + " --connect-to " + inShell(as+":"+address) + " -H " + inShell("Host: "+address)
}

// nameOf returns the host if the certificate is for it, or else one that it is for.
func nameOf(leaf *x509.Certificate, host string) string {
	switch {
	case leaf.VerifyHostname(host) == nil:
		return host
	case len(leaf.DNSNames) > 0:
		return strings.Replace(leaf.DNSNames[0], "*", "hashd", 1)
	case len(leaf.IPAddresses) > 0:
		return leaf.IPAddresses[0].String()
	}
	return host
}

// inShell returns a text as a shell takes it for one word.
func inShell(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// pathInShell does so with a path, which then holds in every folder.
func pathInShell(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	return inShell(path)
}
