package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile is the largest configuration file in bytes: many times what all settings take.
const maxFile = 64 << 10

// fromFile reads the file that the last value for config names, if there is one.
func (s *Settings) fromFile(values []given) ([]given, []error) {
	var chosen given
	for _, g := range values {
		if g.setting.name == "config" {
			chosen = g
		}
	}
	if chosen.text == "" { // none, or an empty path, which is refused like any empty value
		return nil, nil
	}
	data, err := readFile(chosen.text)
	if err != nil {
		return nil, []error{&Error{Setting: "config", Source: chosen.source, Problem: err.Error(), Err: err}}
	}
	return s.parseFile(chosen.text, data)
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	if err := refuseOpen(f); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %s", name, showSize(maxFile))
	}
	return data, err
}

// refuseOpen refuses a file that anybody can write: whoever does decides where jobs go and who may listen.
func refuseOpen(f *os.File) error {
	info, err := f.Stat()
	if err != nil || runtime.GOOS == "windows" || !info.Mode().IsRegular() { // where a mode says nothing
		return err
	}
	if mode := info.Mode().Perm(); mode&0o002 != 0 {
		return fmt.Errorf("%s has mode %04o, so that anybody can change the settings: chmod o-w it", f.Name(), mode)
	}
	return nil
}

// parseFile takes the settings from a file's content. name is for errors only.
func (s *Settings) parseFile(name string, data []byte) ([]given, []error) {
	root, err := parseYAML(data)
	if err != nil {
		return nil, []error{&Error{
			Source:  "file " + name,
			Problem: strings.TrimPrefix(err.Error(), "yaml: "),
			Remedy:  "it must hold lines of the form name: value",
			Err:     err,
		}}
	}
	r := fileReader{Settings: s, name: name, lines: map[string]int{}}
	for i := 0; i+1 < len(root.Content); i += 2 {
		r.read(root.Content[i], root.Content[i+1])
	}
	return r.values, r.errs
}

// parseYAML returns the mapping that is the only document of data; an empty one if there
// is no document, so that a file with everything commented out is a good file.
func parseYAML(data []byte) (*yaml.Node, error) {
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return &doc, nil
	} else if err != nil {
		return nil, err
	}
	if err := d.Decode(&more); err == nil {
		return nil, fmt.Errorf("line %d: a second document begins", more.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, err
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode && root.ShortTag() != "!!null" {
		return nil, fmt.Errorf("line %d: the file is %s", root.Line, describe(root))
	}
	return root, nil
}

// fileReader collects what a file gives.
type fileReader struct {
	*Settings
	name   string
	lines  map[string]int // where each key was first seen
	values []given
	errs   []error
}

// read takes one key and its value.
func (r *fileReader) read(key, value *yaml.Node) {
	if key.Kind != yaml.ScalarNode {
		r.refuse(&Error{
			Source:  fmt.Sprintf("file %s, line %d", r.name, key.Line),
			Problem: "the key is " + describe(key),
			Remedy:  "it must be the name of a setting",
		})
		return
	}
	source := fmt.Sprintf("file %s, key %s, line %d", r.name, printable(key.Value), key.Line)
	spell := func(s *setting) string { return s.name }
	row := r.find(key.Value, spell)
	if row == nil {
		r.refuse(r.unknown(source, key.Value, spell))
	} else if problem, remedy := r.problem(row, key, value); problem != "" {
		r.refuse(&Error{Setting: row.name, Source: source, Problem: problem, Remedy: remedy})
	} else {
		r.values = append(r.values, given{row, value.Value, source})
	}
}

func (r *fileReader) refuse(err *Error) { r.errs = append(r.errs, err) }

// problem says why a key cannot stand in the file as it does, and what to do; "" if it can.
// What the text of its value means is not asked here.
func (r *fileReader) problem(row *setting, key, value *yaml.Node) (problem, remedy string) {
	if first := r.lines[row.name]; first > 0 {
		return fmt.Sprintf("the key is already on line %d", first), "keep one of them"
	}
	r.lines[row.name] = key.Line
	switch {
	case row.name == "config":
		return "a file cannot name another", "use --config or HASHD_CONFIG"
	case value.Kind != yaml.ScalarNode || !plain(value):
		return "the value is " + describe(value), "allowed: " + row.allowed
	}
	return "", ""
}

// plain reports whether a scalar is one that a person writes as text, a number or a boolean.
func plain(n *yaml.Node) bool {
	switch n.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
		return true
	}
	return false
}

// describe names what a node is, where something else was expected.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case n.ShortTag() == "!!null":
		return "empty"
	case plain(n):
		return "a single value"
	}
	return "tagged " + quote(n.ShortTag())
}
