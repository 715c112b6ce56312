package server

import (
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The code's kinds of problems are those of the contract and of docs/api.md, with their statuses:
// none more, none less.
func TestProblemTypesAreInTheContract(t *testing.T) {
	inCode := map[string]int{}
	for k, p := range problemTypes {
		if p.name == "" || p.title == "" || inCode[p.name] != 0 {
			t.Errorf("kind %d: %+v", k, p)
		}
		inCode[p.name] = p.status
	}
	o, err := newOracle()
	if err != nil {
		t.Fatal(err)
	}
	inContract := map[string]int{}
	for name, response := range o.Components.Responses {
		for _, e := range response.Value.Content["application/problem+json"].Examples {
			example := e.Value.Value.(map[string]any)
			kind, ok := strings.CutPrefix(example["type"].(string), problemPrefix)
			if !ok {
				t.Errorf("%s: type %s", name, example["type"])
			}
			inContract[kind] = int(example["status"].(float64))
		}
	}
	if !maps.Equal(inCode, inContract) {
		t.Errorf("in code %v\nin contract %v", inCode, inContract)
	}
	if inPage := typesOfPage(t); !maps.Equal(inCode, inPage) {
		t.Errorf("in code %v\nin docs/api.md %v", inCode, inPage)
	}
}

// typesOfPage reads the table of problems in docs/api.md.
func typesOfPage(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| `type` behind `urn:hashd:problem:` |")
	if !found {
		t.Fatal("docs/api.md has no table of problems")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	types := map[string]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\| (\\d+) \\|").FindAllStringSubmatch(table, -1) {
		status, err := strconv.Atoi(row[2])
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.SplitSeq(row[1], ", ") {
			types[strings.Trim(name, "`")] = status
		}
	}
	return types
}
