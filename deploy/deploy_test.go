// Package deploy holds what shows how hashd is run; there is no code here but this test of it.
package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/hashd-project/hashd/v2/internal/config"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"

	"github.com/hashd-project/hashd/v2/internal/needs"
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

// composed returns what compose.yaml has for hashd.
func composed(t *testing.T) map[string]any {
	return at(t, documents(t, "compose.yaml")[0], "services", "hashd-1").(map[string]any)
}

// pod returns what the pods of hashd are in Kubernetes.
func pod(t *testing.T) map[string]any {
	return at(t, find(t, "kubernetes/hashd.yaml", "Deployment"), "spec", "template", "spec").(map[string]any)
}

// environs returns the variables that hashd is started with, by file.
func environs(t *testing.T) map[string]map[string]string {
	t.Helper()
	compose, kubernetes := make(map[string]string), make(map[string]string)
	for name, value := range at(t, composed(t), "environment").(map[string]any) {
		compose[name] = value.(string)
	}
	for _, one := range at(t, pod(t), "containers", "0", "env").([]any) {
		kubernetes[one.(map[string]any)["name"].(string)] = one.(map[string]any)["value"].(string)
	}
	return map[string]map[string]string{"compose.yaml": compose, "kubernetes/hashd.yaml": kubernetes}
}

// The settings given to hashd are settings that it has: keys, TLS and a ring from files, and nothing insecure.
func TestSettings(t *testing.T) {
	for where, variables := range environs(t) {
		var environ []string
		for name, value := range variables {
			environ = append(environ, name+"="+value)
		}
		c, _, err := config.New(pflag.NewFlagSet(where, pflag.ContinueOnError)).Load(environ)
		if err != nil {
			t.Errorf("%s: %v", where, err)
		}
		if c.Engine != "jetstream" || c.NATSReplicas != 3 || c.Drain != "handover" || c.InsecureNoAuth || c.InsecureNoTLS {
			t.Errorf("%s: %+v", where, c)
		}
		for _, path := range []string{c.APIKeys, c.TLSCert, c.TLSKey, c.RingFile} {
			if !strings.HasPrefix(path, "/etc/hashd/") {
				t.Errorf("%s: a secret is in %q", where, path)
			}
		}
		if c.OpsListen == "" {
			t.Errorf("%s: health is on the listener of everybody", where)
		}
	}
}

// Nothing shown here, nor in the guide to it, is an insecure way.
func TestNothingIsInsecure(t *testing.T) {
	files := []string{"../Dockerfile", "../docs/scale-out.md"}
	for _, pattern := range []string{"*.yaml", "*.cfg", "*.conf", "kubernetes/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s, error %v", pattern, err)
		}
		files = append(files, found...)
	}
	insecure := regexp.MustCompile(`(?i)insecure[-_]no[-_]|http-only|skip-?verify|curl (-k|--insecure)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if m := insecure.Find(text); m != nil {
			t.Errorf("%s says %s", file, m)
		}
	}
}

// mount is where files of a secret appear in a pod.
type mount struct{ path, secret string }

// mounts returns the secrets of the pod, which nobody can change there, and its group and nobody else can read.
func mounts(t *testing.T) (all []mount) {
	t.Helper()
	group := at(t, pod(t), "securityContext", "fsGroup")
	if group != at(t, pod(t), "securityContext", "runAsGroup") {
		t.Errorf("the secrets are for the group %v, which is not hashd's", group)
	}
	secrets := make(map[string]string)
	for _, v := range at(t, pod(t), "volumes").([]any) {
		if mode := at(t, v, "secret", "defaultMode"); mode != 0o440 {
			t.Errorf("%v has mode %o", v, mode)
		}
		secrets[at(t, v, "name").(string)] = at(t, v, "secret", "secretName").(string)
	}
	for _, m := range at(t, pod(t), "containers", "0", "volumeMounts").([]any) {
		if at(t, m, "readOnly") != true || m.(map[string]any)["subPath"] != nil {
			t.Errorf("%v can be written, or never changes", m)
		}
		all = append(all, mount{at(t, m, "mountPath").(string), secrets[at(t, m, "name").(string)]})
	}
	return all
}

// Each file that hashd is told to read is one of the secrets that the head of the manifest makes.
func TestSecretsAreMounted(t *testing.T) {
	text, err := os.ReadFile("kubernetes/hashd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	made := make(map[string]bool) // secret/file
	for _, m := range regexp.MustCompile(`kubectl create secret generic (\S+) --from-file=(\S+)`).FindAllStringSubmatch(string(text), -1) {
		made[m[1]+"/"+m[2]] = true
	}
	for _, m := range regexp.MustCompile(`kubectl create secret tls (\S+) --cert=\S+ --key=\S+`).FindAllStringSubmatch(string(text), -1) {
		made[m[1]+"/tls.crt"], made[m[1]+"/tls.key"] = true, true
	}
	read := 0
	for name, value := range environs(t)["kubernetes/hashd.yaml"] {
		if !strings.HasPrefix(value, "/") {
			continue
		}
		read++
		if !slices.ContainsFunc(mounts(t), func(m mount) bool { return m.path == path.Dir(value) && made[m.secret+"/"+path.Base(value)] }) {
			t.Errorf("%s=%s is no file of a secret: there are %v", name, value, made)
		}
	}
	if read != 4 {
		t.Errorf("hashd reads %d files", read)
	}
	if got := at(t, composed(t), "volumes", "0"); got != "./secrets:/etc/hashd:ro" {
		t.Errorf("compose.yaml mounts %v", got)
	}
}

// ports returns the container's ports by name.
func ports(t *testing.T) map[string]string {
	all := make(map[string]string)
	for _, p := range at(t, pod(t), "containers", "0", "ports").([]any) {
		all[at(t, p, "name").(string)] = fmt.Sprint(":", at(t, p, "containerPort"))
	}
	return all
}

// Clients reach the port with TLS and nothing else; the probes are on the other.
func TestPorts(t *testing.T) {
	environ := environs(t)["kubernetes/hashd.yaml"]
	if got := ports(t); got["https"] != environ["HASHD_LISTEN"] || got["ops"] != environ["HASHD_OPS_LISTEN"] || len(got) != 2 {
		t.Errorf("the ports are %v", got)
	}
	for _, probe := range []string{"startupProbe", "readinessProbe", "livenessProbe"} {
		if got := at(t, pod(t), "containers", "0", probe, "httpGet", "port"); got != "ops" {
			t.Errorf("%s is on %v", probe, got)
		}
	}
	service := at(t, find(t, "kubernetes/hashd.yaml", "Service"), "spec", "ports").([]any)
	if len(service) != 1 || at(t, service[0], "targetPort") != "https" {
		t.Errorf("the Service has %v", service)
	}
	compose := environs(t)["compose.yaml"]
	balancer, err := os.ReadFile("haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	wants := []string{"check port " + strings.TrimPrefix(compose["HASHD_OPS_LISTEN"], ":") + " "}
	for _, name := range []string{"hashd-1", "hashd-2"} {
		wants = append(wants, "server "+name+" "+name+compose["HASHD_LISTEN"]+"\n")
	}
	for _, want := range wants {
		if !strings.Contains(string(balancer), want) {
			t.Errorf("haproxy.cfg does not say %q", want)
		}
	}
}

// Only clients and the servers of the store are let in and out, each on its port.
func TestNetworkPolicies(t *testing.T) {
	for path, want := range map[string]string{
		"kubernetes/hashd.yaml":   "[Ingress Egress] egress app=hashd-nats 4222; egress kubernetes.io/metadata.name=kube-system 53 53; ingress hashd-client=true https",
		"kubernetes/scaling.yaml": "[Ingress] ingress kubernetes.io/metadata.name=monitoring ops",
		"kubernetes/nats.yaml":    "[Ingress Egress] egress app=hashd-nats 6222; egress kubernetes.io/metadata.name=kube-system 53 53; ingress app=hashd client; ingress app=hashd-nats cluster",
	} {
		policy := find(t, path, "NetworkPolicy")
		types := at(t, policy, "spec", "policyTypes").([]any)
		var rules []string
		for direction, peers := range map[string]string{"ingress": "from", "egress": "to"} {
			if !slices.Contains(types, any(strings.ToUpper(direction[:1])+direction[1:])) {
				continue
			}
			for _, r := range at(t, policy, "spec", direction).([]any) {
				rules = append(rules, direction+rule(t, r, peers))
			}
		}
		slices.Sort(rules)
		if got := fmt.Sprint(types, " ", strings.Join(rules, "; ")); got != want {
			t.Errorf("%s allows %s", path, got)
		}
	}
	for name, network := range map[string]string{"nats-1": "[store]", "hashd-1": "[clients store]", "balancer": "[clients]"} {
		if got := fmt.Sprint(at(t, documents(t, "compose.yaml")[0], "services", name, "networks")); got != network {
			t.Errorf("compose.yaml: %s is in %s", name, got)
		}
	}
}

// rule returns whom a rule lets through, and to which ports.
func rule(t *testing.T, r any, peers string) (text string) {
	for _, peer := range at(t, r, peers).([]any) {
		for _, selector := range peer.(map[string]any) {
			for label, value := range at(t, selector, "matchLabels").(map[string]any) {
				text += fmt.Sprintf(" %s=%v", label, value)
			}
		}
	}
	for _, p := range at(t, r, "ports").([]any) {
		text += fmt.Sprint(" ", at(t, p, "port"))
	}
	return text
}

// A pod serves on while it is taken out of the Service, and then has time for the longest drain.
func TestStop(t *testing.T) {
	sleep := at(t, pod(t), "containers", "0", "lifecycle", "preStop", "sleep", "seconds").(int)
	probe := at(t, pod(t), "containers", "0", "readinessProbe", "periodSeconds").(int)
	if sleep < 5 || sleep < 2*probe {
		t.Errorf("it sleeps %d s", sleep)
	}
	c, _, err := config.New(pflag.NewFlagSet("", pflag.ContinueOnError)).Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	least := time.Duration(sleep)*time.Second + c.DrainTimeout
	if grace := time.Duration(at(t, pod(t), "terminationGracePeriodSeconds").(int)) * time.Second; grace <= least {
		t.Errorf("it is killed after %v, and its stop can take %v", grace, least)
	}
	compose := at(t, composed(t), "stop_grace_period").(string)
	if grace, err := time.ParseDuration(compose); err != nil || grace <= c.DrainTimeout {
		t.Errorf("compose.yaml: it is killed after %v, error %v, and its stop can take %v", grace, err, c.DrainTimeout)
	}
}

// A pod that waits for the NATS servers, as long as hashd does, is not killed for it.
func TestStartIsWaitedFor(t *testing.T) {
	probe := at(t, pod(t), "containers", "0", "startupProbe")
	if given := at(t, probe, "periodSeconds").(int) * at(t, probe, "failureThreshold").(int); given < 45 {
		t.Errorf("it is killed after %d s, and hashd waits 30 s for the NATS servers", given)
	}
}

// No secret is written to swap space or into a core file.
func TestNoSwap(t *testing.T) {
	if memory, swap := at(t, composed(t), "mem_limit"), at(t, composed(t), "memswap_limit"); memory != swap {
		t.Errorf("compose.yaml: %v of memory, and %v with swap space", memory, swap)
	}
	if core := at(t, composed(t), "ulimits", "core"); core != 0 {
		t.Errorf("compose.yaml: core files of %v", core)
	}
	resources := at(t, pod(t), "containers", "0", "resources")
	if asked, limit := at(t, resources, "requests", "memory"), at(t, resources, "limits", "memory"); asked != limit {
		t.Errorf("a pod asks for %v and may have %v, so that the node may give it swap space", asked, limit)
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
			at(t, find(t, path, "NetworkPolicy"), "spec", "podSelector", "matchLabels", "app"),
		} {
			if selected != label {
				t.Errorf("%s selects %v, and the pods are %v", path, selected, label)
			}
		}
	}
}

// The manifests are what Kubernetes' own types take: no field is misspelled or in a wrong place.
func TestManifestsAreKubernetes(t *testing.T) {
	needs.Processes(t)
	reader, err := filepath.Abs("../.cache/manifests")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(reader); err != nil {
		needs.Missing(t, "no .cache/manifests: make test builds it")
	}
	read := func(files ...string) string {
		out, err := exec.CommandContext(t.Context(), reader, files...).CombinedOutput()
		return fmt.Sprintf("%s%v", out, err)
	}
	files, err := filepath.Glob("kubernetes/*")
	if err != nil || len(files) < 2 {
		t.Fatalf("there are %q, error %v", files, err)
	}
	if got := read(files...); got != "<nil>" {
		t.Error(got)
	}
	text, err := os.ReadFile("kubernetes/hashd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, bytes.Replace(text, []byte("readOnlyRootFilesystem"), []byte("readOnlyRootFileSystem"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := read(bad); !strings.Contains(got, "readOnlyRootFileSystem") {
		t.Errorf("a misspelled field is taken: %s", got)
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
