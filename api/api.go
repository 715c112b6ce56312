// Package api holds the contract, openapi.yaml: the one place where the API changes. All else
// that speaks of the API is generated from it or checked against it.
package api

import (
	_ "embed"
	"fmt"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var contract string

// Contract returns the text of openapi.yaml.
func Contract() string { return contract }

// Version returns the contract's own version.
func Version() (string, error) {
	var c struct {
		Info struct{ Version string }
	}
	if err := yaml.Unmarshal([]byte(contract), &c); err != nil {
		return "", fmt.Errorf("contract: %w", err)
	}
	return c.Info.Version, nil
}
