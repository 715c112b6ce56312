package main

import (
	"encoding/base64"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/hashd-project/hashd/v2/client"
)

// An algorithm of the contract is completed, in both helps, and known to the check of a bulk's hashes.
func TestEachAlgorithmOfTheContractIsOffered(t *testing.T) {
	text, err := os.ReadFile("../../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var contract struct {
		Components struct {
			Schemas struct {
				Algorithm struct{ Enum []string } `yaml:"Algorithm"`
			}
		}
	}
	if err := yaml.Unmarshal(text, &contract); err != nil {
		t.Fatal(err)
	}
	names := contract.Components.Schemas.Algorithm.Enum
	if got := algorithms(); len(got) == 0 || !slices.Equal(got, names) {
		t.Errorf("hashctl offers %v, the contract %v", got, names)
	}
	for _, name := range names {
		for command, help := range map[string]string{"submit": submitUsage, "bulk": bulkUsage} {
			if !strings.Contains(help, name) {
				t.Errorf("the help of %s lacks %s", command, name)
			}
		}
		if sum, err := base64.StdEncoding.DecodeString(hashOf([]byte("angryMonkey"), client.Algorithm(name))); err != nil || len(sum) < 32 {
			t.Errorf("bulk does not know the hash of %s: %d bytes, error %v", name, len(sum), err)
		}
	}
}
