package mistyped

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestGuess(t *testing.T) {
	t.Parallel()
	names := []string{"submit", "get", "wait", "cancel", "bulk", "stats", "status", "retry-for", "in-flight"}
	for given, want := range map[string]string{
		"sumbit": "submit", "SUBMIT": "submit", "statsu": "stats", "stat": "stats", "cancle": "cancel", "gte": "get",
		"retry": "retry-for", "retry_for": "retry-for", "inflight": "in-flight", "blk": "bulk",
		"": "", "x": "", "hunter2": "", "topsecret": "", "version": "",
	} {
		if got := Guess(given, names); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
	if got := Guess("get", nil); got != "" {
		t.Errorf("of no names %q", got)
	}
}

func TestNearestIsNamedHoweverFar(t *testing.T) {
	t.Parallel()
	if got := Nearest("completely else", []string{"port", "delay"}); got == "" {
		t.Error("none")
	}
	if got := Nearest("x", []string{"aa", "bb"}); got != "aa" {
		t.Errorf("%q is not the first", got)
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"delay", "delay", 0}, {"delya", "delay", 2}, {"dely", "delay", 1}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// An unknown flag is told with the nearest one, an inherited one too; what may be a secret is not
// repeated, nor is a hidden flag named.
func TestFlag(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"--dealy=5s":     "unknown flag: --dealy; the nearest is --delay",
		"--sever":        "unknown flag: --sever; the nearest is --server",
		"--hiden":        "unknown flag: --hiden",
		"--nonsense=xyz": "unknown flag: --nonsense",
		"-topsecret":     "the only flag of one letter is -h; all others begin with two hyphens",
		"--delay":        "flag needs an argument: --delay",
	} {
		root := &cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true}
		root.PersistentFlags().String("server", "", "")
		root.SetFlagErrorFunc(Flag)
		sub := &cobra.Command{Use: "sub", RunE: func(*cobra.Command, []string) error { return nil }}
		sub.Flags().String("delay", "", "")
		sub.Flags().String("hidden", "", "")
		_ = sub.Flags().MarkHidden("hidden")
		root.AddCommand(sub)
		root.SetArgs([]string{"sub", arg})
		if err := root.Execute(); err == nil || err.Error() != want || strings.Contains(err.Error(), "xyz") {
			t.Errorf("%s: %v, want %s", arg, err, want)
		}
		if got := Command(root, "sbu"); got != "sub" {
			t.Errorf("the command is %q", got)
		}
	}
}
