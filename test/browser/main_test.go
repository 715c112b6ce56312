// Package browser tests the pages that hashd serves, in real browsers against real servers over loopback.
package browser

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/binaries"
	"github.com/hashd-project/hashd/v2/internal/binaries/binariestest"
)

// patience bounds every wait of these tests. Nothing is expected to take anywhere near it: a
// wait ends with the event it is for.
const patience = 2 * time.Minute

// built builds the binary that these tests start, once, and returns the folder it is in.
var built = sync.OnceValues(func() (dir string, err error) {
	return binaries.BuildAsTested(context.Background(), "hashd")
})

func binary() string {
	dir, _ := built() // TestMain has seen to errors
	return filepath.Join(dir, "hashd")
}

// run runs the tests, and then ends the browser that they shared.
type run struct{ *testing.M }

func (r run) Run() int {
	defer chromium.end()
	return r.M.Run()
}

func TestMain(m *testing.M) { binariestest.Main(run{m}, built) }
