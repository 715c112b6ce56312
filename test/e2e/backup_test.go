package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/needs"
)

// The commands of docs/operate.md make a backup of the file engine, and restore it where nothing is left.
func TestBackupAsTheGuideSays(t *testing.T) {
	t.Parallel()
	needs.Tool(t, "bash", needs.Debian("bash"))
	var blocks []string
	for _, block := range snippets(t, "operate.md", "sh") {
		if strings.Contains(block, "hashd-store.tar") {
			blocks = append(blocks, block)
		}
	}
	if len(blocks) != 2 {
		t.Fatalf("%d blocks", len(blocks))
	}
	dir, elsewhere := filepath.Join(t.TempDir(), "hashd"), t.TempDir()
	var i *instance
	starting := func() { i = start(t, onDisk(dir, "--delay=0s")...) }
	run := func(block string) {
		for line := range strings.Lines(block) {
			switch line = strings.TrimSpace(line); line {
			case "systemctl stop hashd":
				i.stop(t)
			case "systemctl start hashd":
				starting()
			default:
				line = strings.NewReplacer("-C /var/lib/hashd", "-C "+dir, "/var/lib/hashd", dir, " hashd: ", " "+strconv.Itoa(os.Getuid())+" ").Replace(line)
				shell := exec.CommandContext(t.Context(), "bash", "-euc", line)
				shell.Dir = elsewhere
				if out, err := shell.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", line, err, out)
				}
			}
		}
	}
	starting()
	before := submitMany(t, i.client(t), 3)
	store := i.client(t).store(t)
	run(blocks[0])
	lost := submitMany(t, i.client(t), 2)
	if err := os.RemoveAll(dir); err != nil { // the machine is lost
		t.Fatal(err)
	}
	i.kill(t)
	starting() // something is there again, and has jobs of its own
	run(blocks[1])
	c := i.client(t)
	wantHashes(t, c, before)
	for _, j := range lost {
		c.do(t, http.MethodGet, path(j.id), "").wantProblem(t, http.StatusNotFound, "unknown-job")
	}
	i.log(t, "the store may not be the latest of its copies: from now on it has another name and ids far above", 1)
	if c.store(t) == store {
		t.Error("the store has the name of before")
	}
	i.stop(t)
}
