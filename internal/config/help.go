package config

import (
	"fmt"
	"strings"
)

// helpWidth is the longest line of Usage, in columns.
const helpWidth = 100

// preface says what holds for all settings.
const preface = "Each setting is a flag, an environment variable, or a key of the YAML file with the " +
	"flag's name; the first of these that gives a value wins. Durations are written like 500ms, 5s " +
	"or 1h30m, sizes in bytes or like 64KiB, 1MiB, 1GiB or 1TiB."

// Usage returns the help for every setting, in groups, with lines of up to 100 columns.
func (s *Settings) Usage() string {
	var b strings.Builder
	b.WriteString(strings.Join(wrap(preface, helpWidth), "\n") + "\n")
	indent := 0
	for i := range s.table {
		indent = max(indent, len(s.table[i].synopsis())+4)
	}
	last := ""
	for i := range s.table {
		row := &s.table[i]
		if row.group != last {
			fmt.Fprintf(&b, "\n%s:\n", row.group)
			last = row.group
		}
		left := "  " + row.synopsis()
		for _, line := range append(wrap(row.usage, helpWidth-indent), wrap(row.facts(), helpWidth-indent)...) {
			fmt.Fprintf(&b, "%-*s%s\n", indent, left, line)
			left = ""
		}
	}
	return b.String()
}

// synopsis shows the flag as one types it.
func (s *setting) synopsis() string {
	return strings.TrimSpace("--" + s.name + " " + s.word)
}

// facts is the line of help below the meaning.
func (s *setting) facts() string {
	return fmt.Sprintf("[%s; default %s; %s]", s.allowed, s.shown(), s.env())
}

// wrap breaks text at spaces into lines of up to width columns.
func wrap(text string, width int) (lines []string) {
	for len(text) > width {
		i := strings.LastIndexByte(text[:width+1], ' ')
		lines, text = append(lines, text[:i]), text[i+1:]
	}
	return append(lines, text)
}

// Markdown returns the table of every setting for docs/settings.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| Setting | Environment variable | Default | Allowed | Meaning |\n")
	b.WriteString("|---|---|---|---|---|\n")
	rows, last := table(), ""
	for i := range rows {
		row := &rows[i]
		if row.group != last {
			fmt.Fprintf(&b, "| **%s** | | | | |\n", row.group)
			last = row.group
		}
		fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s | %s |\n",
			row.name, row.env(), row.shown(), row.allowed, row.usage)
	}
	return b.String()
}
