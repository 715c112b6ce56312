package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// snippets returns the fenced code blocks of a page of docs/ that are in the language, in their
// order. Quick starts are executed as they stand, so that they stay true.
func snippets(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for n, part := range strings.Split("\n"+string(text), "\n```") {
		info, code, _ := strings.Cut(part, "\n")
		if n%2 == 1 && info == language {
			blocks = append(blocks, code+"\n")
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no code in %s", page, language)
	}
	return blocks
}
