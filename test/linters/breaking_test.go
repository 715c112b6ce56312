package linters

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/api"
)

// repository is a Git repository with a contract in its working tree.
type repository struct {
	*testing.T
	root string // of hashd
	dir  string
}

func newRepository(t *testing.T) repository {
	t.Helper()
	r := repository{t, rootWith(t, "oasdiff-*"), t.TempDir()}
	r.git("init", "--quiet")
	return r
}

// run runs a program in the repository, away from the settings of whoever runs the tests, and from
// CI unless that is added.
func (r repository) run(environ []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(r.Context(), name, args...)
	cmd.Dir = r.dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CEILING_DIRECTORIES=" + filepath.Dir(r.dir),
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org",
	}, environ...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r repository) git(args ...string) {
	r.Helper()
	if out, err := r.run(nil, "git", args...); err != nil {
		r.Fatalf("git %q: %v:\n%s", args, err, out)
	}
}

func (r repository) write(contract string) {
	r.Helper()
	if err := os.MkdirAll(filepath.Join(r.dir, "api"), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "api", "openapi.yaml"), []byte(contract), 0o600); err != nil {
		r.Fatal(err)
	}
}

func (r repository) commit(contract string) {
	r.Helper()
	r.write(contract)
	r.git("add", ".")
	r.git("commit", "--quiet", "--message=contract")
}

// want runs the check of make breaking, which must find what is said, and nothing wrong if that is so.
func (r repository) want(name string, ok bool, what string, environ ...string) {
	r.Helper()
	tools, _ := filepath.Glob(filepath.Join(r.root, ".cache", "oasdiff-*"))
	out, err := r.run(append(environ, "OASDIFF="+tools[len(tools)-1]), filepath.Join(r.root, ".ci", "breaking"))
	if (err == nil) != ok || !strings.Contains(out, what) {
		r.Errorf("%s: error %v, want %q:\n%s", name, err, what, out)
	}
}

// versioned is a contract under another version.
func versioned(t *testing.T, contract, version string) string {
	t.Helper()
	now, err := api.Version()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(contract, "  version: "+now+"\n", "  version: "+version+"\n", 1)
}

// Lines that change the contract for clients, or do not.
type change struct{ before, after string }

var (
	none       = change{"title: hashd", "title: Hashd"}
	words      = change{"summary: Counters since start", "summary: Counters"}
	addition   = change{"  /stats:\n", "  /statistics:\n    get: { operationId: getStatistics, responses: { \"204\": { description: None } } }\n  /stats:\n"}
	dropped    = change{"  /stats:\n", "  /statistics:\n"}
	narrowed   = change{"enum: [sha512, sha256, sha3-512]", "enum: [sha512, sha256]"}
	unheardOf  = change{"enum: [ok, draining]", "enum: [ok, draining, lost]"}
	takenAway  = change{"required: [id, status, algorithm]", "required: [id, status]"}
	demanded   = change{"required: [password]", "required: [password, algorithm]"}
	otherCode  = change{"        \"204\":\n", "        \"200\":\n"}
	lesserSize = change{"maxLength: 1024\n          description: The secret,", "maxLength: 512\n          description: The secret,"}
)

// Against the newest release, what breaks clients needs a major version and any other change a version.
func TestBreaking(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	r.commit(versioned(t, api.Contract(), "1.0.0"))
	r.git("tag", "v1.0.0")
	r.commit(versioned(t, api.Contract(), "1.1.0"))
	r.git("tag", "v1.1.0")
	r.git("tag", "later")
	r.commit(versioned(t, api.Contract(), "1.1.1"))

	const breaks, changed, lower = "this breaks clients of 1.1.0", "the contract changed, and its version is still 1.1.0", "is lower than 1.1.0"
	for name, test := range map[string]struct {
		change
		version string
		ok      bool
		want    string
	}{
		"nothing":                     {none, "1.1.0", true, "1.1.0 against 1.1.0 (v1.1.0)"},
		"words":                       {words, "1.1.0", true, "1.1.0 against 1.1.0 (v1.1.0)"},
		"version alone":               {none, "1.1.1", true, "1.1.1 against 1.1.0"},
		"lower version":               {none, "1.0.9", false, lower},
		"lower version by number":     {none, "0.10.0", false, lower},
		"higher version by number":    {none, "1.10.0", true, "1.10.0 against 1.1.0"},
		"release candidate":           {none, "1.1.0-rc.1", false, lower},
		"addition":                    {addition, "1.1.0", false, changed},
		"addition, raised":            {addition, "1.2.0", true, "endpoint added"},
		"addition, candidate of more": {addition, "1.2.0-rc.1", true, "endpoint added"},
		"dropped operation":           {dropped, "1.1.0", false, breaks},
		"dropped operation, raised":   {dropped, "1.2.0", false, breaks},
		"dropped operation, major":    {dropped, "2.0.0", true, "removed"},
		"narrowed enum":               {narrowed, "1.2.0", false, breaks},
		"value unheard of":            {unheardOf, "1.2.0", false, breaks},
		"member taken away":           {takenAway, "1.2.0", false, breaks},
		"member demanded":             {demanded, "1.2.0", false, breaks},
		"other status":                {otherCode, "1.2.0", false, breaks},
		"lesser size":                 {lesserSize, "1.2.0", false, breaks},
	} {
		r.write(versioned(t, mutant(t, test.before, test.after), test.version))
		r.want(name, test.ok, test.want)
	}
}

// Before the first release, the contract is held against the last one of another version, however
// often the one in preparation was committed.
func TestBreakingBeforeReleases(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	r.git("commit", "--quiet", "--allow-empty", "--message=nothing yet")
	r.write(versioned(t, api.Contract(), "1.0.0"))
	r.want("new", true, "1.0.0 is the first version", "CI=true")
	r.commit(versioned(t, api.Contract(), "1.0.0"))
	r.want("first", true, "1.0.0 is the first version", "CI=true")

	inPreparation := versioned(t, mutant(t, dropped.before, dropped.after), "1.1.0")
	r.write(inPreparation)
	r.want("in preparation", false, "this breaks clients of 1.0.0")
	r.commit(inPreparation)
	r.want("committed", false, "this breaks clients of 1.0.0")
	r.write(versioned(t, mutant(t, addition.before, addition.after), "1.1.0"))
	r.want("mended", true, "1.1.0 against 1.0.0")
}

// Where there is no history there is nothing to compare, which CI does not let pass.
func TestBreakingWithoutHistory(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	r.commit(versioned(t, api.Contract(), "1.0.0"))
	r.commit(versioned(t, api.Contract(), "1.1.0"))
	for name, args := range map[string][]string{
		"shallow": {"git", "clone", "--quiet", "--depth=1", "file://" + r.dir, "copy"},
		"none":    {"cp", "-r", "api", "copy"},
	} {
		c := repository{t, r.root, filepath.Join(t.TempDir(), "copy")}
		if out, err := r.run(nil, args[0], append(args[1:len(args)-1], c.dir)...); err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		c.want(name, true, "fetch-depth: 0")
		c.want(name+" in CI", false, "fetch-depth: 0", "CI=true")
	}
}
