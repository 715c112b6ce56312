package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/hashd-project/hashd/v2/internal/auth"
	"github.com/hashd-project/hashd/v2/internal/certs"
	"github.com/hashd-project/hashd/v2/internal/config"
)

// followed are the files that the server takes over anew while it runs, each nil if there is none.
type followed struct {
	keys  *auth.Source
	certs *certs.Source
}

// openFollowed reads the files, which must be good.
func openFollowed(cfg *config.Config, log *slog.Logger) (f followed, err error) {
	if cfg.APIKeys != "" {
		if f.keys, err = auth.Open(cfg.APIKeys, log); err != nil {
			return followed{}, err
		}
	}
	if cfg.TLSCert != "" {
		if f.certs, err = certs.Open(certFiles(cfg), log); err != nil {
			f.close()
			return followed{}, fmt.Errorf("TLS: %w", err)
		}
	}
	return f, nil
}

func certFiles(cfg *config.Config) certs.Files {
	return certs.Files{Cert: cfg.TLSCert, Key: cfg.TLSKey, ClientCA: cfg.TLSClientCA}
}

func (f *followed) close() {
	if f.keys != nil {
		f.keys.Close()
	}
	if f.certs != nil {
		f.certs.Close()
	}
}

// tls returns how connections are secured; nil for not at all.
func (f *followed) tls() *tls.Config {
	if f.certs == nil {
		return nil
	}
	return f.certs.Config()
}

// each tells the settings, and whether their newest files are in use.
func (f *followed) each(tell func(setting string, inUse bool)) {
	if f.keys != nil {
		tell("api-keys", f.keys.Err() == nil)
	}
	if f.certs != nil {
		tell("tls-cert", f.certs.Err() == nil)
	}
}

// warnings names the settings whose newest files are not in use, or expire soon.
func (f *followed) warnings() (names []string) {
	f.each(func(setting string, inUse bool) {
		if !inUse || setting == "tls-cert" && f.certs.Expiring(time.Now()) {
			names = append(names, setting)
		}
	})
	return names
}
