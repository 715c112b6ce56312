package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// Whatever a file holds, reading it ends in values or in errors that say something.
func FuzzParseFile(f *testing.F) {
	for _, content := range []string{
		"", "delay: 5s\nworkers: 2\n", "delay: 5s\ndelay: 6s", "listen: [1, 2]", "a: &a [*a]", "? {}\n: 1",
		"<<: {delay: 5s}", "---\n---\n", "delay: !!float 5", "\tdelay: 5s", "{delay: 5s, port: 010}", "%YAML 1.2\n---\ndelay: 1",
		"#\n-\n-\n0", "! !00 \xf6", "0: [:!00 \xef", "\"\\0\\\r\n", " \ufeff\n", "40y::\r\r<<:\r-\r  - #\r?\r#",
	} {
		f.Add([]byte(content))
	}
	s := New(pflag.NewFlagSet("test", pflag.ContinueOnError))
	f.Fuzz(func(t *testing.T, data []byte) {
		values, errs := s.parseFile("hashd.yaml", data)
		seen := map[string]bool{}
		for _, g := range values {
			if seen[g.setting.name] {
				t.Errorf("%s is given twice", g.setting.name)
			}
			seen[g.setting.name] = true
			_ = g.setting.set(&Config{}, g.text)
		}
		for _, err := range errs {
			if e, ok := err.(*Error); !ok || e.Source == "" || e.Problem == "" {
				t.Errorf("an error that says too little: %#v", err)
			}
		}
	})
}

// A file that anybody can write is refused; one that anybody can read is not, for it holds no secret.
func TestFileThatAnybodyCanWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hashd.yaml")
	if err := os.WriteFile(path, []byte("delay: 3s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o664: true, 0o666: false, 0o602: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, _, err := New(pflag.NewFlagSet("test", pflag.ContinueOnError)).Load([]string{"HASHD_CONFIG=" + path})
		if (err == nil) != ok || !ok && !strings.Contains(err.Error(), "chmod o-w") {
			t.Errorf("mode %04o: error %v", mode, err)
		}
	}
}
