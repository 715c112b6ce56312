// Package deploy holds what shows how hashd is run; there is no code here but this test of it.
package deploy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/hashd-project/hashd/internal/config"
	"github.com/hashd-project/hashd/internal/engine/jetstream/natstest"

	"github.com/hashd-project/hashd/internal/needs"
)

// documents reads a YAML file whole: an error in any part of it fails the test.
func documents(t *testing.T, path string) (all []map[string]any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var one map[string]any
		if err := d.Decode(&one); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, one)
	}
}

// at follows keys into a document; a number as text indexes a list.
func at(t *testing.T, v any, keys ...string) any {
	t.Helper()
	for _, key := range keys {
		switch here := v.(type) {
		case map[string]any:
			v = here[key]
		case []any:
			v = here[0]
		}
		if v == nil {
			t.Fatalf("no %s of %v", key, keys)
		}
	}
	return v
}

// find returns the document of that kind.
func find(t *testing.T, path, kind string) map[string]any {
	t.Helper()
	all := documents(t, path)
	i := slices.IndexFunc(all, func(d map[string]any) bool { return d["kind"] == kind })
	if i < 0 {
		t.Fatalf("%s has no %s", path, kind)
	}
	return all[i]
}

// wantSettings fails the test unless hashd starts with these variables.
func wantSettings(t *testing.T, where string, environ []string) {
	t.Helper()
	c, _, err := config.New(pflag.NewFlagSet(where, pflag.ContinueOnError)).Load(environ)
	if err != nil {
		t.Errorf("%s: %v", where, err)
	}
	if c.Engine != "jetstream" || c.NATSReplicas != 3 || c.Drain != "handover" {
		t.Errorf("%s: %+v", where, c)
	}
}

// The settings given to hashd are settings that it has.
func TestSettings(t *testing.T) {
	var environ []string
	compose := documents(t, "compose.yaml")[0]
	for name, value := range at(t, compose, "services", "hashd-1", "environment").(map[string]any) {
		environ = append(environ, name+"="+value.(string))
	}
	wantSettings(t, "compose.yaml", environ)

	environ = nil
	pod := at(t, find(t, "kubernetes/hashd.yaml", "Deployment"), "spec", "template", "spec")
	for _, one := range at(t, pod, "containers", "0", "env").([]any) {
		value, _ := one.(map[string]any)["value"].(string)
		environ = append(environ, one.(map[string]any)["name"].(string)+"="+value)
	}
	wantSettings(t, "kubernetes/hashd.yaml", environ)
}

// A pod serves on while it is taken out of the Service, and then has time for the longest drain.
func TestStop(t *testing.T) {
	pod := at(t, find(t, "kubernetes/hashd.yaml", "Deployment"), "spec", "template", "spec")
	sleep := at(t, pod, "containers", "0", "lifecycle", "preStop", "sleep", "seconds").(int)
	if sleep < 5 {
		t.Errorf("it sleeps %d s", sleep)
	}
	c, _, err := config.New(pflag.NewFlagSet("", pflag.ContinueOnError)).Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	least := time.Duration(sleep)*time.Second + c.DrainTimeout
	if grace := time.Duration(at(t, pod, "terminationGracePeriodSeconds").(int)) * time.Second; grace < least {
		t.Errorf("it is killed after %v, and its stop can take %v", grace, least)
	}
	compose := at(t, documents(t, "compose.yaml")[0], "services", "hashd-1", "stop_grace_period").(string)
	if grace, err := time.ParseDuration(compose); err != nil || grace < c.DrainTimeout {
		t.Errorf("compose.yaml: it is killed after %v, error %v, and its stop can take %v", grace, err, c.DrainTimeout)
	}
}

// Each selector finds the pods that it is for.
func TestSelectors(t *testing.T) {
	for path, workload := range map[string]string{"kubernetes/hashd.yaml": "Deployment", "kubernetes/nats.yaml": "StatefulSet"} {
		label := at(t, find(t, path, workload), "spec", "template", "metadata", "labels", "app")
		for _, selected := range []any{
			at(t, find(t, path, workload), "spec", "selector", "matchLabels", "app"),
			at(t, find(t, path, "Service"), "spec", "selector", "app"),
			at(t, find(t, path, "PodDisruptionBudget"), "spec", "selector", "matchLabels", "app"),
		} {
			if selected != label {
				t.Errorf("%s selects %v, and the pods are %v", path, selected, label)
			}
		}
	}
}

// The NATS servers take their configuration.
func TestNATSConfiguration(t *testing.T) {
	needs.Processes(t)
	server, err := natstest.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	compose, err := os.ReadFile("nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	inMap := at(t, find(t, "kubernetes/nats.yaml", "ConfigMap"), "data", "nats.conf").(string)
	for name, text := range map[string]string{"nats.conf": string(compose), "kubernetes/nats.yaml": inMap} {
		if !strings.Contains(text, "max_msgs: 10240") {
			t.Errorf("%s: hashd's batches do not fit", name)
		}
		path := filepath.Join(t.TempDir(), "nats.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		check := exec.CommandContext(t.Context(), server, "-t", "-c", path)
		check.Env = append(os.Environ(), "SERVER_NAME=n1", "POD_NAME=n1")
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
