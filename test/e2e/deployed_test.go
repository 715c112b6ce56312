package e2e

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// deployment is a file of deploy/ whose hashd is started on a folder of secrets and one NATS server.
type deployment struct {
	*testing.T
	text    string // of the file
	dir     string // where the commands in its head run
	environ map[string]string
}

// newDeployment reads the file. Variables finds those of hashd in its documents.
func newDeployment(t *testing.T, file string, variables func(document map[string]any) map[string]string) *deployment {
	t.Helper()
	needs.Tool(t, "openssl", needs.Debian("openssl"))
	needs.Tool(t, "curl", needs.Debian("curl"))
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", file))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "hashd-deploy-") //nolint:usetesting // t.TempDir is in a folder that only its owner can enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(filepath.Join(dir, "deploy"), 0o755)); err != nil {
		t.Fatal(err)
	}
	d := &deployment{T: t, text: string(text), dir: dir}
	for part := range strings.SplitSeq(d.text, "\n---\n") {
		var document map[string]any
		if err := yaml.Unmarshal([]byte(part), &document); err != nil {
			t.Fatal(err)
		}
		if found := variables(document); found != nil {
			d.environ = found
		}
	}
	return d
}

// commands returns the commands in the head of the file that begin so.
func (d *deployment) commands(start string) []string {
	d.Helper()
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^#   (`+start+` .*)$`).FindAllStringSubmatch(d.text, -1) {
		all = append(all, m[1])
	}
	if len(all) == 0 {
		d.Fatalf("no %s in the head of the file", start)
	}
	return all
}

// run runs a command as it stands, but for the names given, and returns what it prints.
func (d *deployment) run(command string, names ...string) string {
	d.Helper()
	cmd := exec.CommandContext(d.Context(), "bash", "-euc", strings.NewReplacer(names...).Replace(command))
	cmd.Dir = d.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		d.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// start starts hashd with the variables of the file, its secrets in the folder, as the image's user if so asked.
func (d *deployment) start(secrets string, cmd *exec.Cmd) *instance {
	d.Helper()
	f := newFleet(d.T)
	d.environ["HASHD_LISTEN"], d.environ["HASHD_OPS_LISTEN"] = "127.0.0.1:0", "127.0.0.1:0"
	d.environ["HASHD_NATS_URL"], d.environ["HASHD_NATS_REPLICAS"] = f.servers.URLs()[0], "1"
	d.environ["HASHD_LOG_FORMAT"], d.environ["HASHD_DELAY"] = "json", "100ms"
	var environ []string
	for name, value := range d.environ {
		environ = append(environ, name+"="+strings.Replace(value, "/etc/hashd", secrets, 1))
	}
	return started(d.T, launchCommand(d.T, environ, cmd))
}

// wantGuarded fails the test unless clients with a token get a job over TLS, others get none, and health is on the other listener alone.
func (d *deployment) wantGuarded(i *instance, certificate, token string) {
	d.Helper()
	_, port, _ := strings.Cut(i.address, ":")
	ask := func(path string, more ...string) string {
		more = append([]string{"-sS", "-o", "-", "-w", "\n%{http_code}", "--cacert", certificate}, more...)
		out, err := exec.CommandContext(d.Context(), "curl", append(more, "https://localhost:"+port+path)...).CombinedOutput()
		if err != nil {
			d.Errorf("%s: %v\n%s", path, err, out)
		}
		return string(out)
	}
	if got := ask("/stats"); !strings.HasSuffix(got, "\n401") {
		d.Errorf("without a token: %s", got)
	}
	if got := ask("/stats", "-H", "Authorization: Bearer "+token); !strings.HasSuffix(got, "\n200") {
		d.Errorf("with the token: %s", got)
	}
	ops, err := net.Dial("tcp", i.log(d.T, "operations", 1)["address"].(string))
	if err != nil {
		d.Fatal(err)
	}
	defer ops.Close()
	_, _ = io.WriteString(ops, "GET /readyz HTTP/1.0\r\n\r\n") // as HAProxy asks
	if got, err := io.ReadAll(ops); !strings.HasPrefix(string(got), "HTTP/1.0 200 OK\r\n") {
		d.Errorf("readiness: %s, error %v", got, err)
	}
}

// The commands in the head of compose.yaml make the secrets that its hashd starts with, and end in a job.
func TestComposeFile(t *testing.T) {
	t.Parallel()
	d := newDeployment(t, "compose.yaml", func(document map[string]any) map[string]string {
		environ := make(map[string]string)
		hashd, _ := document["services"].(map[string]any)["hashd-1"].(map[string]any)
		for name, value := range hashd["environment"].(map[string]any) {
			environ[name] = fmt.Sprint(value)
		}
		return environ
	})
	for _, start := range []string{"mkdir", "go run", "openssl"} {
		for _, command := range d.commands(start) {
			d.run(command, "go run ./cmd/hashd", binary())
		}
	}
	i := d.start(filepath.Join(d.dir, "deploy", "secrets"), exec.Command(binary()))
	_, port, _ := strings.Cut(i.address, ":")
	if got := d.run(d.commands("curl")[0], ":8443", ":"+port); !strings.Contains(got, `"status":"pending"`) {
		t.Errorf("it ends in %s", got)
	}
	token, err := os.ReadFile(filepath.Join(d.dir, "token"))
	if err != nil {
		t.Fatal(err)
	}
	d.wantGuarded(i, filepath.Join(d.dir, "deploy", "secrets", "tls.crt"), strings.TrimSpace(string(token)))
	i.stop(t)
}

// A pod of hashd.yaml starts, as the user and with the secrets that Kubernetes gives it.
func TestPod(t *testing.T) {
	t.Parallel()
	d := newDeployment(t, filepath.Join("kubernetes", "hashd.yaml"), podVariables)
	var token string
	for _, command := range d.commands("hashd") {
		token = strings.TrimSpace(d.run(strings.Replace(command, "hashd ", binary()+" ", 1)))
	}
	token = regexp.MustCompile(`hashd_\S+`).FindString(token)
	d.run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 1 -subj /CN=localhost " +
		"-addext subjectAltName=DNS:localhost -keyout tls.key -out tls.crt")
	secrets := filepath.Join(d.dir, "mounted")
	for folder, files := range map[string][]string{"tls": {"tls.crt", "tls.key"}, "keys": {"keys.json"}, "ring": {"ring.json"}} {
		d.mount(filepath.Join(secrets, folder), files...)
	}
	i := d.start(secrets, asUnprivileged())
	d.wantGuarded(i, filepath.Join(d.dir, "tls.crt"), token)
	i.stop(t)
}

// podVariables returns those of the Deployment's container.
func podVariables(document map[string]any) map[string]string {
	if document["kind"] != "Deployment" {
		return nil
	}
	environ := make(map[string]string)
	spec := document["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	for _, one := range spec["containers"].([]any)[0].(map[string]any)["env"].([]any) {
		environ[one.(map[string]any)["name"].(string)] = one.(map[string]any)["value"].(string)
	}
	return environ
}

// mount lays files out as the kubelet does for defaultMode 0440 and an fsGroup, or for the test's own user where that is not root.
func (d *deployment) mount(folder string, files ...string) {
	d.Helper()
	data := filepath.Join(folder, "..2026_11_26_04_00_00.1")
	all := []error{os.MkdirAll(data, 0o755), os.Symlink(filepath.Base(data), filepath.Join(folder, "..data"))}
	for _, file := range files {
		mode := fs.FileMode(0o400)
		text, err := os.ReadFile(filepath.Join(d.dir, file))
		all = append(all, err, os.WriteFile(filepath.Join(data, file), text, 0o600), os.Symlink("..data/"+file, filepath.Join(folder, file)))
		if os.Getuid() == 0 {
			mode = 0o440
			all = append(all, os.Chown(filepath.Join(data, file), 0, unprivileged))
		}
		all = append(all, os.Chmod(filepath.Join(data, file), mode))
	}
	if err := errors.Join(append(all, os.Chmod(folder, 0o777|fs.ModeSticky))...); err != nil {
		d.Fatal(err)
	}
}
