package config

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Print writes every setting as it is in force, in the form of a configuration file, and behind each where its
// value comes from. A setting that has no value is a comment. The error is that of Load, or of writing.
// No setting is a secret; of a ring in the environment it says only that there is one.
func (s *Settings) Print(w io.Writer, environ []string) error {
	l := s.merge(environ)
	if err := errors.Join(l.errs...); err != nil {
		return err
	}
	var text strings.Builder
	group := ""
	for i := range s.table {
		row := &s.table[i]
		if row.group != group {
			group = row.group
			fmt.Fprintf(&text, "\n# %s\n", group)
		}
		text.WriteString(l.line(row))
	}
	if ringFrom(environ) != nil {
		fmt.Fprintf(&text, "\n# The variable %s holds a ring, which is not shown.\n", RingVariable)
	}
	_, err := io.WriteString(w, strings.TrimPrefix(text.String(), "\n"))
	return err
}

// line is what Print writes of one setting.
func (l *loading) line(row *setting) string {
	g, ok := l.last[row.name]
	switch {
	case row.name == "drain-timeout" && !ok:
		g = given{row, showDuration(int64(l.config.DrainTimeout)), "default, " + row.none}
	case !ok:
		return fmt.Sprintf("# %s: %s\n", row.name, row.none)
	case row.name == "config": // a file names no other
		return fmt.Sprintf("# config: %s # %s\n", quote(g.text), g.source)
	case !l.uses(row.name):
		return fmt.Sprintf("# %s: %s # %s, not used by engine %s\n", row.name, g.text, g.source, l.config.Engine)
	}
	value, err := yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Value: g.text})
	if err != nil { // no text that a source gives cannot be written
		value = []byte(quote(g.text))
	}
	return fmt.Sprintf("%s: %s # %s\n", row.name, strings.TrimSpace(string(value)), g.source)
}
