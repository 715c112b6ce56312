package auth

import (
	"context"
	"log/slog"
	"time"
)

// audit logs what happened to a key.
func (s *Source) audit(what string, k *Key, more ...slog.Attr) {
	attrs := []slog.Attr{slog.Bool("audit", true), slog.String("name", k.Name), slog.String("key_id", k.ID),
		slog.String("tenant", k.Tenant), slog.String("scopes", k.Scopes.String())}
	if !k.Expires.IsZero() {
		attrs = append(attrs, slog.Time("expires", k.Expires))
	}
	if !k.Revoked.IsZero() {
		attrs = append(attrs, slog.Time("revoked", k.Revoked))
	}
	if rate := k.Rate.String(); rate != "" {
		attrs = append(attrs, slog.String("rate", rate))
	}
	if k.Quota > 0 {
		attrs = append(attrs, slog.Int64("quota", k.Quota))
	}
	s.log.LogAttrs(context.Background(), slog.LevelInfo, what, append(attrs, more...)...)
}

// logOpened says what is in use from the start.
func (s *Source) logOpened(keys *Keys) {
	now, valid, all, tenants := time.Now(), 0, 0, map[string]bool{}
	for k := range keys.All() {
		all++
		if k.Valid(now) {
			valid++
			tenants[k.Tenant] = true
		}
	}
	s.log.Info("api keys in use", "audit", true, "file", s.path, "keys", all, "valid", valid, "tenants", len(tenants))
	if valid == 0 {
		s.log.Warn("no api key is valid, so nobody is let in; 'hashd key add' makes one, and no restart is needed", "file", s.path)
	}
}

// logChanges says what of each key differs between two files.
func (s *Source) logChanges(before, after *Keys) {
	now := time.Now()
	for k := range after.All() {
		old, known := before.byID[[idLength]byte([]byte(k.ID))]
		switch {
		case !known:
			s.logNew(before, k, now)
		case *old == *k:
		case old.Revoked.IsZero() && !k.Revoked.IsZero():
			s.audit("api key revoked", k)
		default:
			s.audit("api key changed", k)
		}
	}
	for k := range before.All() {
		if _, kept := after.byID[[idLength]byte([]byte(k.ID))]; !kept {
			s.audit("api key removed", k)
		}
	}
}

// logNew says that a key is new, or that it follows one of the same name.
func (s *Source) logNew(before *Keys, k *Key, now time.Time) {
	for old := range before.All() {
		if old.Name == k.Name && old.Valid(now) && k.Valid(now) {
			s.audit("api key rotated", k, slog.String("replaces", old.ID))
			return
		}
	}
	s.audit("api key added", k)
}
