// Package e2e tests the real binaries, over loopback.
package e2e

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/binaries"
	"github.com/hashd-project/hashd/v2/internal/binaries/binariestest"
)

// patience bounds every wait of these tests. Nothing is expected to take anywhere near it: a
// wait ends with the event it is for.
const patience = 60 * time.Second

// built builds the binaries that these tests start, once, and returns the folder they are in.
var built = sync.OnceValues(func() (dir string, err error) {
	return binaries.BuildAsTested(context.Background(), "hashd", "hashctl")
})

// asShipped builds the server as it is shipped, once: the race detector keeps copies of its own in memory.
var asShipped = sync.OnceValues(func() (file string, err error) {
	dir, err := built()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "plain")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return filepath.Join(dir, "hashd"), binaries.Build(context.Background(), dir, "github.com/hashd-project/hashd/v2/cmd/hashd")
})

// binaryDir is where the binaries are.
func binaryDir() string {
	dir, _ := built() // TestMain has seen to errors
	return dir
}

func binary() string { return filepath.Join(binaryDir(), "hashd") }

func TestMain(m *testing.M) { binariestest.Main(m, built) }
