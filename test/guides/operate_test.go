package guides

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// part returns the part of docs/operate.md below a heading.
func part(t *testing.T, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(read(t, "docs/operate.md"), "\n## "+heading+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	if !ok || text == "" {
		t.Fatalf("docs/operate.md has no part %q", heading)
	}
	return text
}

// What the guide says one sees of a fault is there to be seen: each metric and alert is one, each problem is of the
// contract's, each path is served, and each other piece is part of a text that hashd logs or prints.
func TestFaultsShowWhatIsSaid(t *testing.T) {
	metrics, rules := read(t, "internal/observe/names.go"), read(t, "deploy/prometheus/rules.yaml")
	problems, contract := read(t, "docs/api.md"), read(t, "api/openapi.yaml")
	texts, rows := literals(t), 0
	for row := range strings.Lines(part(t, "Faults")) {
		cells := strings.Split(row, " | ")
		if !strings.HasPrefix(row, "| ") || cells[0] == "| fault" {
			continue
		}
		if rows++; len(cells) != 4 {
			t.Fatalf("not four columns: %s", row)
		}
		for _, seen := range code(cells[1]) {
			name := regexp.MustCompile(`^(?:hashd_|process_)[a-z_]+$`).MatchString(seen)
			problem := regexp.MustCompile(`^[45]\d\d ([a-z-]+)$`).FindStringSubmatch(seen)
			var there bool
			switch {
			case name: // those of the process are of Prometheus's own library
				there = strings.HasPrefix(seen, "process_") || strings.Contains(metrics, `"`+seen+`"`)
			case strings.HasPrefix(seen, "Hashd"):
				there = strings.Contains(rules, "alert: "+seen+"\n")
			case problem != nil:
				there = strings.Contains(problems, "`"+problem[1]+"`")
			case strings.HasPrefix(seen, "/"):
				there = strings.Contains(contract, "\n  "+seen+":\n")
			default:
				there = contain(texts, seen)
			}
			if !there {
				t.Errorf("nobody can see %s, of %s", seen, cells[0])
			}
		}
	}
	if rows < 30 {
		t.Errorf("%d faults", rows)
	}
}

// The lines of the log that the guide tells to look for are such.
func TestRunbooksNameLinesOfTheLog(t *testing.T) {
	texts, lines := literals(t), 0
	for _, words := range code(part(t, "Alerts")) {
		if !strings.Contains(words, " ") || regexp.MustCompile(`^(?:hashd|systemctl|journalctl|promtool) |\(`).MatchString(words) {
			continue // a command, or a query
		}
		if lines++; !contain(texts, words) {
			t.Errorf("nothing logs %q", words)
		}
	}
	if lines < 5 {
		t.Errorf("%d lines", lines)
	}
}

func contain(texts []string, words string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, words) })
}

// literals returns the texts in hashd's code.
func literals(t *testing.T) (texts []string) {
	t.Helper()
	for _, dir := range []string{"cmd/hashd", "internal"} {
		err := fs.WalkDir(os.DirFS(path.Join(root, dir)), ".", func(name string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			texts = append(texts, regexp.MustCompile(`"(?:[^"\\\n]|\\.)*"`).FindAllString(read(t, path.Join(dir, name)), -1)...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return texts
}
