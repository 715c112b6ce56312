//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// The marks between which a document has the tables.
const (
	beginMark = "<!-- bench: what follows is written by cmd/bench -->\n"
	endMark   = "<!-- bench: end -->\n"
)

// measureInto measures and, if nothing failed, puts the tables into the document.
func measureInto(ctx context.Context, path string, s *session, measure runner) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("-into: %w", err)
	}
	if _, err := splice(string(text), ""); err != nil { // rather now than after an hour
		return fmt.Errorf("-into %s: %w", path, err)
	}
	s.document = new(bytes.Buffer)
	if err := measure(ctx, s); err != nil {
		return err
	}
	spliced, err := splice(string(text), s.document.String())
	if err == nil {
		err = os.WriteFile(path, []byte(spliced), 0o644)
	}
	return err
}

// splice replaces what the document has between its marks.
func splice(document, tables string) (string, error) {
	before, rest, begins := strings.Cut(document, beginMark)
	_, after, ends := strings.Cut(rest, endMark)
	if !begins || !ends {
		return "", errors.New("the document lacks a mark of the two between which the tables stand")
	}
	return before + beginMark + tables + "\n" + endMark + after, nil
}
