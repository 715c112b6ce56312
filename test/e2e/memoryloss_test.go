package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/api"
)

// What the log of the memory engine says at the start.
const inMemory = "jobs and results are kept in memory alone: a crash or kill -9 loses them all; --engine=file or jetstream keeps them"

// That the default engine loses all in a crash is said where a user begins: at the start of README
// and of the page /docs, and by the server itself, where it is so.
func TestThatMemoryIsLostInACrashIsSaidFirst(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(readme), "\n## ")
	description, _, _ := strings.Cut(api.Contract(), "\npaths:")
	for where, text := range map[string]string{"README": first, "the contract": description} {
		if text := strings.Join(strings.Fields(text), " "); !strings.Contains(text, "in memory") || !strings.Contains(text, "loses them all") {
			t.Errorf("%s does not begin with it:\n%s", where, text)
		}
	}
	i := start(t)
	i.log(t, inMemory, 1).Want(t, "level", "INFO")
	i.stop(t)
	i = start(t, onDisk(t.TempDir())...)
	i.stop(t)
	if n := len(i.stderr.Find(inMemory)); n != 0 {
		t.Errorf("a durable server says it %d times", n)
	}
}
