package recipes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var settingSteps = []step{
	{"internal/config/settings.go", []edit{{
		"\t\t}, {\n\t\t\tname: \"workers\",",
		"\t\t}, {\n\t\t\tname: \"burst-size\", initial: \"7\",\n" +
			"\t\t\tkind:  number(1, 100, func(c *Config) *int { return &c.BurstSize }),\n" +
			"\t\t\tusage: \"Jobs of one burst.\",\n" +
			"\t\t}, {\n\t\t\tname: \"workers\",",
	}}},
	{"internal/config/config.go", []edit{{
		"\t// Workers is how many",
		"\t// BurstSize is how many jobs a burst has (--burst-size, 1 to 100, default 7).\n\tBurstSize int\n\n\t// Workers is how many",
	}}},
	{"internal/config/bounds_test.go", []edit{{
		"\t\"max-connections\":", "\t\"burst-size\": {[]string{\"1\", \"100\"}, []string{\"0\", \"101\"}},\n\t\"max-connections\":",
	}}},
	{"internal/config/config_test.go", []edit{
		{"\t\tMaxConnections:", "\t\tBurstSize: 7,\n\t\tMaxConnections:"},
		{"\"workers HASHD_WORKERS\",", "\"burst-size HASHD_BURST_SIZE\", \"workers HASHD_WORKERS\","},
	}},
	{"internal/config/precedence_test.go", []edit{{
		"\t\"max-connections\":", "\t\"burst-size\": {{\"1\", 1}, {\"2\", 2}, {\"3\", 3}},\n\t\"max-connections\":",
	}}},
	{"internal/config/testdata/usage.txt", nil}, // -update writes it
	{"docs/settings.md", []edit{{
		"| `--workers` |", "| `--burst-size` | `HASHD_BURST_SIZE` | 7 | 1 to 100 | Jobs of one burst. |\n| `--workers` |",
	}}},
	{"cmd/hashd/serve.go", []edit{{
		"cfg.MaxConnections,", "cfg.MaxConnections + 0*cfg.BurstSize,",
	}}},
}

// Who adds a setting is told of each place that still lacks it.
func TestAddASetting(t *testing.T) {
	t.Parallel()
	wantRecipe(t, "Add a setting", settingSteps)
	s := newScratch(t)
	config, use := []string{"go", "test", "./internal/config"}, []string{"go", "test", "./test/arch", "-run", "TestEachSettingIsUsed"}

	s.do(t, settingSteps[0])
	s.wantMissing(t, config, "c.BurstSize undefined")
	s.do(t, settingSteps[1])
	s.wantMissing(t, config, "burst-size has no bounds in the test", "FAIL: TestDefaults", "FAIL: TestNames",
		"FAIL: TestPrecedence/burst-size", "testdata/usage.txt differs", "docs/settings.md lacks the table of settings")
	s.wantMissing(t, use, "nobody uses the setting BurstSize")

	s.do(t, settingSteps[2:]...)
	s.wantDone(t, "go", "test", "./internal/config", "-run", "TestUsage", "-update")
	s.wantDone(t, config...)
	s.wantDone(t, use...)
	s.wantDone(t, "go", "build", "-o", os.DevNull, "./cmd/hashd")
	usage, err := os.ReadFile(filepath.Join(string(s), "internal/config/testdata/usage.txt"))
	if err != nil || !strings.Contains(string(usage), "--burst-size") {
		t.Errorf("the help lacks the setting, error %v", err)
	}

	// A comment that says something else than the table is told too.
	s.edit(t, "internal/config/config.go", edit{"(--burst-size, 1 to 100, default 7)", "(--burst-size, 1 to 100, default 8)"})
	s.wantMissing(t, config, "FAIL: TestFieldCommentsAgreeWithTable")
}
