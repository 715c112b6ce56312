package main

import (
	"fmt"
	"log/slog"

	"github.com/hashd-project/hashd/v2/internal/auth"
	"github.com/hashd-project/hashd/v2/internal/config"
	"github.com/hashd-project/hashd/v2/internal/guard"
	"github.com/hashd-project/hashd/v2/internal/server"
)

// newGuard makes what decides who may call what. keys may be nil.
func newGuard(cfg *config.Config, keys *auth.Source, tenants guard.Tenants, log *slog.Logger) (*guard.Guard, error) {
	made := guard.Config{Tenants: tenants, Delay: cfg.Delay, Address: server.NewProxies(cfg.ProxyList()).ClientAddr, Log: log}
	if keys != nil {
		made.Keys = keys.Keys
	}
	if cfg.AnonymousRate != "" {
		rate, err := auth.ParseRate(cfg.AnonymousRate)
		if err != nil {
			return nil, fmt.Errorf("anonymous-rate: %w", err)
		}
		made.AnonymousRate = rate
	}
	return guard.New(made), nil
}
