package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"

	"github.com/hashd-project/hashd/v2/internal/config"
)

// newLogger returns a log that never keeps the program waiting.
func newLogger(cfg config.Config, o *outbox) (*slog.Logger, error) {
	handler, err := newHandler(cfg, o)
	if err != nil {
		return nil, err
	}
	o.onDrop(func(dropped int64) []byte {
		var b bytes.Buffer
		handler, _ := newHandler(cfg, &b) // as above
		slog.New(handler).Warn("log lines dropped: nobody read them in time", "dropped", dropped)
		return b.Bytes()
	})
	return slog.New(handler), nil
}

func newHandler(cfg config.Config, w io.Writer) (slog.Handler, error) {
	options := &slog.HandlerOptions{Level: cfg.LogLevel, ReplaceAttr: durationsAsText}
	switch cfg.LogFormat {
	case config.LogText:
		return slog.NewTextHandler(w, options), nil
	case config.LogJSON:
		return slog.NewJSONHandler(w, options), nil
	}
	return nil, fmt.Errorf("there is no log-format %q", cfg.LogFormat)
}

// durationsAsText gives every duration its unit: in JSON it would be a bare number.
func durationsAsText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
