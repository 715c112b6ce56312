package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/hashd-project/hashd/v2/api"
	"github.com/hashd-project/hashd/v2/internal/service"
	"github.com/hashd-project/hashd/v2/internal/version"
)

// build returns what this binary was built of.
func build() (service.Build, error) {
	contract, err := api.Version()
	of := version.Read()
	return service.Build{API: contract, Version: of.Version, Commit: of.Commit, Go: runtime.Version()}, err
}

func printVersion(w io.Writer) error {
	b, err := build()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "hashd %s (commit %s, %s, API %s)\n", b.Version, b.Commit, b.Go, b.API)
	return err
}
