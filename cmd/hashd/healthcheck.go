package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/hashd-project/hashd/v2/internal/certs"
	"github.com/hashd-project/hashd/v2/internal/config"
	"github.com/hashd-project/hashd/v2/internal/follow"
)

// healthTimeout is how long a healthy server may take to say so.
const healthTimeout = 3 * time.Second

// checkHealth asks the server that runs with the same settings whether it is alive: at ops-listen, if that
// has a port that is known.
func checkHealth(ctx context.Context, cfg config.Config) error {
	if _, port, _ := net.SplitHostPort(cfg.OpsListen); port != "" && port != "0" {
		cfg.Listen, cfg.Port, cfg.TLSCert = cfg.OpsListen, nil, "" // it answers the same, without TLS
	}
	address := scheme(&cfg) + "://" + reachable(cfg.Address()) + "/healthz"
	err := askHealth(ctx, address, secure(&cfg))
	if errors.Is(err, certs.ErrOther) { // the server may be about to take over new files
		time.Sleep(2 * follow.Interval)
		err = askHealth(ctx, address, secure(&cfg))
	}
	if err != nil {
		return fmt.Errorf("healthcheck: %s: %w", address, err)
	}
	return nil
}

// secure returns how the server is asked over TLS; nil without.
func secure(cfg *config.Config) *tls.Config {
	if cfg.TLSCert == "" {
		return nil
	}
	return certs.Self(certFiles(cfg))
}

func askHealth(ctx context.Context, address string, how *tls.Config) error {
	ctx, cancel := context.WithTimeoutCause(ctx, healthTimeout, fmt.Errorf("no answer within %v", healthTimeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err //nolint:wrapcheck // checkHealth wraps it
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: how}, // no proxy: it is this machine
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err // without the address, which checkHealth tells
	}
	if err != nil {
		return err //nolint:wrapcheck // checkHealth wraps it
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// reachable returns the address at which a server that listens on address is reached from
// this machine: all interfaces include loopback.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.Is6() {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}
