package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/hashd-project/hashd/v2/api"
	"github.com/hashd-project/hashd/v2/internal/service"
)

// build returns what the toolchain stamped into this binary.
func build() (service.Build, error) {
	version, err := api.Version()
	b := service.Build{API: version, Version: "unknown", Commit: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b, err
	}
	b.Version = info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Commit = s.Value
		}
	}
	return b, err
}

func printVersion(w io.Writer) error {
	b, err := build()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "hashd %s (commit %s, %s, API %s)\n", b.Version, b.Commit, b.Go, b.API)
	return err
}
