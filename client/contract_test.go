package client

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// What the contract names, users find in this package: each type and each value of the generated
// one but those that only its functions use.
func TestContractIsWhole(t *testing.T) {
	here := map[string]bool{}
	for _, name := range exported(t, "contract.go") {
		here[name] = true
	}
	for _, name := range exported(t, "../gen/client/client.gen.go") {
		if !here[name] {
			t.Errorf("contract.go lacks %s = gen.%[1]s", name)
		}
	}
	if len(here) < 20 {
		t.Errorf("only %d names", len(here))
	}
}

// exported returns the constants of a file, and its types that say what is sent or answered.
func exported(t *testing.T, name string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range group.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if isModel(s) {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// isModel says whether the type is part of what is sent or answered: not the client, its options
// and its answers, nor another name of a header's value, of a body or of Problem.
func isModel(s *ast.TypeSpec) bool {
	name := s.Name.Name
	if of, ok := s.Type.(*ast.Ident); ok && s.Assign.IsValid() && (of.Name == "Problem" || of.Name == "string" && name != "Hash") {
		return false
	}
	return !strings.HasPrefix(name, "Client") && !strings.HasSuffix(name, "Response") && !strings.HasSuffix(name, "RequestBody") &&
		name != "RequestEditorFn" && name != "HttpRequestDoer"
}
