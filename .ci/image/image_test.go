package main

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// An archive that is pushed is in the registry whole, under the digest that build told.
func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	context, archive := stage(t), filepath.Join(t.TempDir(), "image.tar")
	digest, err := build(dockerfile(t, "FROM scratch\nCOPY --from=build /program /program\nENTRYPOINT [\"/program\"]\n"), archive, []string{"linux/amd64=" + context})
	if err != nil {
		t.Fatal(err)
	}
	to := strings.TrimPrefix(server.URL, "http://") + "/hashd:2.0.0"
	if err := push(archive, []string{to}); err != nil {
		t.Fatal(err)
	}
	reference, err := name.ParseReference(to)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(reference)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := index.Digest(); err != nil || got != digest {
		t.Errorf("the registry has %v, error %v, and build told %v", got, err, digest)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	image, err := remote.Image(reference, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"}))
	if err != nil {
		t.Fatal(err)
	}
	if c, err := image.ConfigFile(); err != nil || c.Config.Entrypoint[0] != "/program" {
		t.Errorf("it starts %+v, error %v", c, err)
	}
}

// What a builder would do and this program does not is refused, and so is a binary that does not know its commit or is
// for another platform.
func TestRefused(t *testing.T) {
	context := stage(t)
	const entry = "FROM scratch\nENTRYPOINT [\"/program\"]\n"
	for text, want := range map[string]string{
		"FROM debian\nENTRYPOINT [\"/program\"]\n":  "only from scratch",
		entry + "RUN make\n":                        "RUN is not known",
		entry + "ENV A=b\n":                         "ENV is not known",
		entry + "COPY . /\n":                        "is not known here",
		entry + "COPY --from=b --chmod=700 /a /a\n": "is not known here",
		entry + "COPY --from=b --chown=me /a /a\n":  "only numbers",
		"FROM scratch\nENTRYPOINT /program\n":       "needs a shell",
		entry + "COPY --from=b /missing /a\n":       "no such file",
	} {
		if _, err := build(dockerfile(t, text), filepath.Join(t.TempDir(), "a"), []string{"linux/amd64=" + context}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
	if _, err := build(dockerfile(t, entry), filepath.Join(t.TempDir(), "a"), []string{"linux/arm64=" + context}); err == nil || !strings.Contains(err.Error(), "is for linux/amd64") {
		t.Errorf("a binary of another platform: error %v", err)
	}
	ignorant, text := t.TempDir(), "package main\n\nfunc main() {}\n"
	compile(t, program(t, ignorant, text), filepath.Join(ignorant, "program"), "-buildvcs=false")
	if _, err := build(dockerfile(t, entry), filepath.Join(t.TempDir(), "a"), []string{"linux/amd64=" + ignorant}); err == nil || !strings.Contains(err.Error(), "does not know its commit") {
		t.Errorf("a binary that does not know its commit: error %v", err)
	}
}

// stage is a build stage with a program that knows its commit.
func stage(t *testing.T) string {
	t.Helper()
	dir, context := t.TempDir(), t.TempDir()
	program(t, dir, "package main\n\nfunc main() {}\n")
	for _, args := range [][]string{
		{"init", "--quiet"}, {"add", "."}, {"-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message=a"},
	} {
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	compile(t, dir, filepath.Join(context, "program"), "-buildvcs=true")
	return context
}

func program(t *testing.T, dir, text string) string {
	t.Helper()
	for name, content := range map[string]string{"go.mod": "module example.org/program\n\ngo 1.26\n", "main.go": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func compile(t *testing.T, dir, to, flag string) {
	t.Helper()
	cmd := exec.Command("go", "build", flag, "-o", to)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func dockerfile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "Dockerfile")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
