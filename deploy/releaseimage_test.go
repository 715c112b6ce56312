package deploy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// releaseImage is the image that make image builds, in a clone of the repository.
type releaseImage struct {
	src, digest string
	blobs       map[string][]byte // by digest
	images      map[string]image  // by architecture
}

// image is that of one platform.
type image struct {
	config imageConfig
	layers []string // their digests
	bytes  int64    // to download
	files  map[string]file
}

type file struct {
	*tar.Header
	content []byte
}

// imageConfig is what engines read of an image's configuration.
type imageConfig struct {
	Architecture, OS string
	Created          time.Time
	Config           struct {
		User, WorkingDir, StopSignal string
		Env, Entrypoint, Cmd         []string
		Labels                       map[string]string
		ExposedPorts, Volumes        map[string]struct{}
		Healthcheck                  struct {
			Test              []string
			Interval, Timeout time.Duration
		}
	}
}

type descriptor struct {
	MediaType, Digest string
	Size              int64
	Platform          struct{ OS, Architecture string }
}

// clone returns a clone of the repository at its last commit.
func clone(t *testing.T) string {
	t.Helper()
	needs.Tool(t, "git", needs.Debian("git"))
	if _, err := os.Stat("../.git"); err != nil {
		needs.Missing(t, "no commit: clone the repository for this test")
	}
	src := filepath.Join(t.TempDir(), "src")
	command(t, "..", nil, "git", "clone", "--quiet", "--no-hardlinks", ".", src)
	return src
}

// buildImage builds the image in the clone, with that mask for what is made, and returns its digest and the archive.
func buildImage(t *testing.T, src, umask string) (digest string, archive []byte) {
	t.Helper()
	maker, err := filepath.Abs("../.cache/image")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(maker); err != nil {
		needs.Missing(t, "no .cache/image: make test builds it")
	}
	path := filepath.Join(t.TempDir(), "image.tar")
	digest = command(t, src, []string{"IMAGE=" + maker}, "sh", "-ec", "umask "+umask+"; exec .ci/build-image "+path)
	archive, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return digest, archive
}

// readImage takes an archive apart, and fails the test where a digest is not that of what it stands for.
func readImage(t *testing.T, src, digest string, archive []byte) *releaseImage {
	t.Helper()
	r := &releaseImage{src: src, digest: digest, blobs: map[string][]byte{}, images: map[string]image{}}
	top := unpacked(t, bytes.NewReader(archive))
	for name, f := range top {
		if hash, ok := strings.CutPrefix(name, "blobs/sha256/"); ok && f.Typeflag == tar.TypeReg {
			if sum := sha256.Sum256(f.content); hex.EncodeToString(sum[:]) != hash {
				t.Errorf("%s has other content", name)
			}
			r.blobs["sha256:"+hash] = f.content
		}
	}
	if got := string(top["oci-layout"].content); !strings.Contains(got, `"imageLayoutVersion": "1.0.0"`) {
		t.Errorf("oci-layout says %s", got)
	}
	var layout, index struct{ Manifests []descriptor }
	parse(t, top["index.json"].content, &layout)
	if m := layout.Manifests; len(m) != 1 || m[0].Digest != digest || m[0].MediaType != "application/vnd.oci.image.index.v1+json" {
		t.Fatalf("index.json has %+v, and the digest is %s", m, digest)
	}
	parse(t, r.blobs[digest], &index)
	for _, d := range index.Manifests {
		if d.Platform.OS != "linux" {
			t.Errorf("there is an image for %s", d.Platform.OS)
		}
		r.images[d.Platform.Architecture] = r.image(t, d)
	}
	return r
}

// image reads the image of one platform.
func (r *releaseImage) image(t *testing.T, d descriptor) (one image) {
	t.Helper()
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	parse(t, r.blobs[d.Digest], &manifest)
	parse(t, r.blobs[manifest.Config.Digest], &one.config)
	if one.config.OS != d.Platform.OS || one.config.Architecture != d.Platform.Architecture {
		t.Errorf("the image for %s says that it is for %s/%s", d.Platform, one.config.OS, one.config.Architecture)
	}
	one.files = map[string]file{}
	for _, l := range manifest.Layers {
		packed := r.blobs[l.Digest]
		if int64(len(packed)) != l.Size {
			t.Errorf("%s has %d bytes, not %d", l.Digest, len(packed), l.Size)
		}
		layer, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(one.files, unpacked(t, layer))
		one.layers, one.bytes = append(one.layers, l.Digest), one.bytes+l.Size
	}
	return one
}

func parse(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
}

func unpacked(t *testing.T, from io.Reader) map[string]file {
	t.Helper()
	all := map[string]file{}
	for r := tar.NewReader(from); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		content, readErr := io.ReadAll(r)
		if err := errors.Join(err, readErr); err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(h.Name, "/")] = file{h, content}
	}
}

// The image of a release is what the Dockerfile says, made without a container engine.
func TestReleaseImage(t *testing.T) {
	needs.Processes(t)
	src := clone(t)
	digest, archive := buildImage(t, src, "022")
	r := readImage(t, src, digest, archive)
	t.Run("Platforms", r.platforms)
	t.Run("IsTheDockerfiles", r.isTheDockerfiles)
	t.Run("Files", r.holds)
	t.Run("Licences", r.licences)
	for arch := range r.images {
		t.Run("Runs/"+arch, func(t *testing.T) { r.runs(t, arch) })
	}
	t.Run("SameBytesAgain", func(t *testing.T) {
		if again, bytesAgain := buildImage(t, clone(t), "077"); again != digest || !bytes.Equal(bytesAgain, archive) {
			t.Errorf("the digest is %s, and then %s", digest, again)
		}
	})
	t.Run("KnowsItsCommit", r.knowsItsCommit) // at last: it takes files out of the clone
}

// There is an image for each platform, with a binary for it that knows its version and commit, and it is small.
func (r *releaseImage) platforms(t *testing.T) {
	if got := slices.Sorted(maps.Keys(r.images)); !slices.Equal(got, []string{"amd64", "arm64"}) {
		t.Fatalf("the images are for %q", got)
	}
	commit := command(t, r.src, nil, "git", "rev-parse", "HEAD")
	for arch, one := range r.images {
		info, err := buildinfo.Read(bytes.NewReader(one.files["hashd"].content))
		if err != nil {
			t.Fatal(err)
		}
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if settings["GOARCH"] != arch || settings["vcs.revision"] != commit || settings["vcs.modified"] != "false" || settings["CGO_ENABLED"] != "0" {
			t.Errorf("%s: the binary was built with %v", arch, settings)
		}
		labels := one.config.Config.Labels
		if labels["org.opencontainers.image.revision"] != commit || "v"+labels["org.opencontainers.image.version"] != info.Main.Version {
			t.Errorf("%s: at commit %s, version %s, the labels are %v", arch, commit, info.Main.Version, labels)
		}
		if created := one.config.Created.Format(time.RFC3339); created != settings["vcs.time"] || labels["org.opencontainers.image.created"] != created {
			t.Errorf("%s: it was made at %s, and the commit at %s", arch, created, settings["vcs.time"])
		}
		t.Logf("%s: %d bytes to download, %d of hashd", arch, one.bytes, len(one.files["hashd"].content))
		if one.bytes > 22e6 {
			t.Errorf("%s: docs/network.md promises less than %d bytes", arch, one.bytes)
		}
	}
}

// What engines read of the image is what the Dockerfile's last stage says.
func (r *releaseImage) isTheDockerfiles(t *testing.T) {
	var want imageConfig
	c := &want.Config
	c.User = inDockerfile(t, `(?m)^USER (.*)$`)[1]
	c.StopSignal = inDockerfile(t, `(?m)^STOPSIGNAL (.*)$`)[1]
	c.ExposedPorts = map[string]struct{}{inDockerfile(t, `(?m)^EXPOSE (\d+)$`)[1] + "/tcp": {}}
	parse(t, []byte(inDockerfile(t, `(?m)^ENTRYPOINT (.*)$`)[1]), &c.Entrypoint)
	health := inDockerfile(t, `(?m)^HEALTHCHECK --interval=(\S+) --timeout=(\S+) CMD (.*)$`)
	parse(t, []byte(health[3]), &c.Healthcheck.Test)
	c.Healthcheck.Test = append([]string{"CMD"}, c.Healthcheck.Test...)
	var errs [2]error
	c.Healthcheck.Interval, errs[0] = time.ParseDuration(health[1])
	c.Healthcheck.Timeout, errs[1] = time.ParseDuration(health[2])
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	c.Labels = map[string]string{}
	for _, m := range regexp.MustCompile(`(org\.opencontainers\.image\.\w+)="([^"]*)"`).FindAllStringSubmatch(inDockerfile(t, `(?ms)^LABEL .*?[^\\]$`)[0], -1) {
		c.Labels[m[1]] = m[2]
	}
	if len(c.Labels) < 4 || !strings.HasPrefix(c.User, "65532:") {
		t.Fatalf("the Dockerfile says %+v", c)
	}
	c.WorkingDir, c.Env = "/", []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"} // of any builder
	for arch, one := range r.images {
		got := one.config.Config
		got.Labels = maps.Clone(got.Labels)
		for _, stamped := range []string{"version", "revision", "created"} {
			delete(got.Labels, "org.opencontainers.image."+stamped)
		}
		if !reflect.DeepEqual(got, *c) {
			t.Errorf("%s: it is\n%+v, and the Dockerfile says\n%+v", arch, got, *c)
		}
	}
}

// The image holds the files that the Dockerfile copies and nothing else. All but the folder of the store belong to root.
func (r *releaseImage) holds(t *testing.T) {
	for arch, one := range r.images {
		for name, f := range one.files {
			if name == "licences" || strings.HasPrefix(name, "licences/") {
				continue
			}
			type attributes struct {
				uid, gid int
				mode     int64
				kind     byte
			}
			want, known := map[string]attributes{
				"hashd": {0, 0, 0o755, tar.TypeReg}, "var": {0, 0, 0o755, tar.TypeDir}, "var/lib": {0, 0, 0o755, tar.TypeDir},
				"var/lib/hashd": {65532, 65532, 0o700, tar.TypeDir},
			}[name]
			if got := (attributes{f.Uid, f.Gid, f.Mode, f.Typeflag}); !known || got != want {
				t.Errorf("%s: %s is %+v, want %+v", arch, name, got, want)
			}
		}
		for _, m := range regexp.MustCompile(`(?m)^COPY --from=build .*\S+ /(\S+)$`).FindAllStringSubmatch(dockerfile(t), -1) {
			if one.files[m[1]].Header == nil {
				t.Errorf("%s: there is no /%s", arch, m[1])
			}
		}
	}
}

// The image has the licence of each part of the binary.
func (r *releaseImage) licences(t *testing.T) {
	list := command(t, "..", []string{"GOOS=linux"}, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/hashd")
	parts := slices.Compact(slices.Sorted(strings.FieldsSeq(list)))
	if len(parts) < 10 {
		t.Fatalf("the binary has the parts %q", parts)
	}
	for arch, one := range r.images {
		for _, part := range append(parts, "go", "swagger-ui") {
			licence := regexp.MustCompile(`^licences/` + regexp.QuoteMeta(part) + `/(?i)licen[cs]e[^/]*$`)
			if !slices.ContainsFunc(slices.Collect(maps.Keys(one.files)), licence.MatchString) {
				t.Errorf("%s: %s has no licence", arch, part)
			}
		}
	}
}

// What is sent to a builder is a clone without what .dockerignore leaves out. The Dockerfile's command makes the binary
// of the image there, which knows the commit that it was built from.
func (r *releaseImage) knowsItsCommit(t *testing.T) {
	ignored, err := os.ReadFile(filepath.Join(r.src, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	for pattern := range strings.Lines(string(ignored)) {
		if pattern = strings.TrimSpace(pattern); pattern != "" && !strings.HasPrefix(pattern, "#") {
			if err := os.RemoveAll(filepath.Join(r.src, pattern)); err != nil {
				t.Fatal(err)
			}
		}
	}
	binary := filepath.Join(t.TempDir(), "hashd")
	inDockerfile(t, `(?m)^RUN \.ci/licences /licences$`)
	build := inDockerfile(t, `(?m)^RUN (CGO_ENABLED=0 GOOS=\$TARGETOS GOARCH=\$TARGETARCH go build .*)$`)[1]
	command(t, r.src, []string{"TARGETOS=linux", "TARGETARCH=" + runtime.GOARCH}, "sh", "-ec", strings.ReplaceAll(build, "/hashd ", binary+" "))
	got, err := os.ReadFile(binary)
	if err != nil || !bytes.Equal(got, r.images[runtime.GOARCH].files["hashd"].content) {
		t.Errorf("the Dockerfile makes another binary than make image, error %v", err)
	}
	if runtime.GOOS != "linux" {
		return
	}
	says := command(t, r.src, nil, binary, "version")
	if commit := command(t, r.src, nil, "git", "rev-parse", "HEAD"); !strings.Contains(says, "commit "+commit) || strings.Contains(says, "dirty") {
		t.Errorf("at commit %s it says %q", commit, says)
	}
}

// The program that makes the image refuses what it would make otherwise than a builder, and pushes what it made.
func TestImageMaker(t *testing.T) {
	needs.Processes(t)
	command(t, "../.ci/image", nil, "go", "test", "./...")
}
