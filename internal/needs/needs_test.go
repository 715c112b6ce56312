package needs

import (
	"strings"
	"testing"
)

// spy is a test that notes how it ended.
type spy struct {
	testing.TB
	failed, skipped string
}

func (s *spy) Helper()          {}
func (s *spy) Fatal(all ...any) { s.failed = all[0].(string) }
func (s *spy) Skip(all ...any)  { s.skipped = all[0].(string) }

// What is skipped elsewhere fails in CI, and either says what to install.
func TestMissing(t *testing.T) {
	for ci, want := range map[string]func(*spy) (is, not string){
		"":     func(s *spy) (string, string) { return s.skipped, s.failed },
		"true": func(s *spy) (string, string) { return s.failed, s.skipped },
	} {
		t.Setenv("CI", ci)
		s := &spy{TB: t}
		if path := Tool(s, "no-such-program", Debian("a-package")); path != "" {
			t.Errorf("it is at %s", path)
		}
		if is, not := want(s); !strings.Contains(is, "no no-such-program: ") || !strings.Contains(is, "apt-get install a-package") || not != "" {
			t.Errorf("with CI=%q it ends with %q, and with %q", ci, is, not)
		}
	}
	if path := Tool(t, "sh", Debian("dash")); path == "" {
		t.Error("no path of what is there")
	}
}
