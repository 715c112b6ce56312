package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// In gen/ lies what is generated and nothing else: it may be removed and made anew.
func TestOnlyGeneratedFilesInGen(t *testing.T) {
	generated, files := regexp.MustCompile(`(?m)^// Code generated .*DO NOT EDIT\.$`), 0
	gen := os.DirFS(filepath.Join(root, "gen"))
	err := fs.WalkDir(gen, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		files++
		text, err := fs.ReadFile(gen, name)
		if err == nil && !generated.Match(text) {
			t.Errorf("gen/%s is not generated", name)
		}
		return err
	})
	if err != nil || files < 4 {
		t.Errorf("%d files, error %v", files, err)
	}
}
