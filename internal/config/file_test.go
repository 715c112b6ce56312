package config

import (
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
