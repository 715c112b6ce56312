package assurance

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// known are the licences that a part of hashd may have, by the first 8 bytes of their text's digest. A person has read each text.
// One that is not here fails the tests: read it, and add it only if it lets hashd be passed on under the Apache License 2.0.
var known = map[string]string{
	"35a446201226de6b": "MIT",
	"6c833965e9ca4cf8": "MIT",
	"9d602bd8af1e9c9f": "MIT",
	"526279aa5ce65fb2": "BSD-3-Clause",
	"cb1ce31a60c2422f": "BSD-3-Clause",
	"045649cdaf85384b": "Apache-2.0",
	"6ed232a1aaf66db9": "Apache-2.0",
	"3c501c0803282770": "Apache-2.0",
	"4bc3c949c895ead1": "Apache-2.0",
	"427e7bb97b3c6ac4": "Apache-2.0 AND BSD-3-Clause",
	"0bb2ccd6c864bf62": "BSD-3-Clause",
	"e79168a6d9b8a2d7": "BSD-3-Clause AND Apache-2.0 AND MIT",
	"1083d3dcf348b543": "MIT AND Apache-2.0",
	"0cf21bdfd1964a97": "MIT",
	"9c1c2bcc686d76b3": "BSD-3-Clause",
}

var (
	licenceFile   = regexp.MustCompile(`(?i)^(licen[cs]e|copying)`)
	copyrightLine = regexp.MustCompile(`(?im)^\s*(\(c\)|©|copyright (\(c\)|©|\d|\[|the )|all rights reserved).*$`)
	word          = regexp.MustCompile(`[a-z0-9]+`)
)

// licence returns what the text of a licence is, whoever has the copyright. Every word of it counts.
func licence(text string) (string, error) {
	text = copyrightLine.ReplaceAllString(text, "")
	sum := sha256.Sum256([]byte(strings.Join(word.FindAllString(strings.ToLower(text), -1), " ")))
	digest := hex.EncodeToString(sum[:8])
	if known[digest] == "" {
		return "", fmt.Errorf("the licence with the digest %s is not known", digest)
	}
	return known[digest], nil
}

// licencesIn returns the licences of the files in a folder.
func licencesIn(dir string) (all []string, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.IsDir() || !licenceFile.MatchString(f.Name()) || strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, err
		}
		name, err := licence(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		all = append(all, name)
	}
	return all, nil
}

// Each module of the commands has a licence that is known, and so has each of its packages that has one of its own.
func TestLicences(t *testing.T) {
	for _, p := range parts(t, commands...) {
		if own, err := licencesIn(p.Dir); err != nil || len(own) == 0 {
			t.Errorf("%s %s has the licences %q: %v", p.Path, p.Version, own, err)
		}
	}
	const format = "{{with .Module}}{{if not .Main}}{{$.Dir}}{{end}}{{end}}"
	folders := strings.FieldsSeq(string(output(t, "go", append([]string{"list", "-deps", "-f", format}, commands...)...)))
	for dir := range folders {
		if _, err := licencesIn(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if own, err := licencesIn(filepath.Join(root, "internal", "page", "static", "uplot")); err != nil || !slices.Equal(own, []string{"MIT"}) {
		t.Errorf("uPlot has the licences %q: %v", own, err)
	}
	if own, err := licencesIn(root); err != nil || !slices.Equal(own, []string{"Apache-2.0"}) {
		t.Errorf("hashd has the licences %q: %v", own, err)
	}
}

// A text is known by its words: not with one more, and whoever has the copyright.
func TestUnknownLicenceIsFound(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	if name, err := licence("Copyright (c) 2031 Somebody Else\n\n" + string(text)); name != "Apache-2.0" {
		t.Errorf("it is %q: %v", name, err)
	}
	for what, text := range map[string]string{
		"one word more":   string(text) + "\nHowever, not on Sundays.",
		"another licence": "GNU GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007",
		"nothing":         "",
	} {
		if name, err := licence(text); err == nil {
			t.Errorf("%s is taken for %s", what, name)
		}
	}
}

// outsideTests returns an error for each package of a lock file that is installed with the TypeScript client and has no licence that is known.
func outsideTests(lock []byte) error {
	var l struct {
		Packages map[string]struct {
			Dev     bool
			License string
		}
	}
	if err := json.Unmarshal(lock, &l); err != nil {
		return err
	}
	if l.Packages[""].License != "Apache-2.0" {
		return fmt.Errorf("the client has the licence %q", l.Packages[""].License)
	}
	var all error
	for path, p := range l.Packages {
		if path != "" && !p.Dev && !slices.Contains([]string{"MIT", "BSD-3-Clause", "Apache-2.0", "ISC"}, p.License) {
			all = errors.Join(all, fmt.Errorf("%s has the licence %q", path, p.License))
		}
	}
	return all
}

// What is installed with the TypeScript client has a licence that is known. It is nothing today, so that no vulnerability of it need be looked for.
func TestLicencesOfTheTypeScriptClient(t *testing.T) {
	lock, err := os.ReadFile(filepath.Join(root, "client", "ts", "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := outsideTests(lock); err != nil {
		t.Error(err)
	}
	own, err := os.ReadFile(filepath.Join(root, "client", "ts", "package.json"))
	var p struct{ Dependencies, OptionalDependencies, PeerDependencies map[string]string }
	if err != nil || json.Unmarshal(own, &p) != nil || len(p.Dependencies)+len(p.OptionalDependencies)+len(p.PeerDependencies) > 0 {
		t.Errorf("the client needs %v, error %v: SECURITY.md says that it needs nothing, and nobody looks for vulnerabilities of npm packages", p, err)
	}
	more := strings.Replace(string(lock), `"packages": {`, `"packages": { "node_modules/more": { "license": "AGPL-3.0" },`, 1)
	if outsideTests([]byte(more)) == nil {
		t.Error("a package with an unknown licence is taken")
	}
}
