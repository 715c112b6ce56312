//go:build tools

// Package tools is the one place that pins the programs that the Makefile and the tests run.
package tools

import (
	_ "github.com/nats-io/nats-server/v2"
	_ "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen"
)

// Programs that need more modules than all of hashd stay out of its go.mod. The Makefile reads
// their versions here and builds each by itself.
const (
	golangciLint = "v2.15.0"
	oasdiff      = "v1.36.0"
	govulncheck  = "v1.9.0"
	cyclonedx    = "v1.10.0" // cyclonedx-gomod
	cyclonedxGo  = "v0.12.0" // whose schemas judge what that writes
	goreleaser   = "v2.14.3" // later ones need a module that the Go proxy does not have: go.digitalxero.dev/go-msix
)

// The Go vulnerability database is a module too. The date in its version says how new it is: make vulndb pins the newest.
const vulndb = "v0.0.0-20261105234957-e22db6528018"
