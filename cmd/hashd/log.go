package main

import (
	"bytes"
	"io"
	"log/slog"

	"github.com/hashd-project/hashd/internal/config"
)

// newLogger returns a log that never keeps the program waiting.
func newLogger(cfg config.Config, o *outbox) *slog.Logger {
	o.onDrop(func(dropped int64) []byte {
		var b bytes.Buffer
		slog.New(newHandler(cfg, &b)).Warn("log lines dropped: nobody read them in time", "dropped", dropped)
		return b.Bytes()
	})
	return slog.New(newHandler(cfg, o))
}

func newHandler(cfg config.Config, w io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: cfg.LogLevel, ReplaceAttr: durationsAsText}
	if cfg.LogFormat == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// durationsAsText gives every duration its unit: in JSON it would be a number, of who knows what.
func durationsAsText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
