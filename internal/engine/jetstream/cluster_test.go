package jetstream

import (
	"flag"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
)

// chaos makes the fault tests long: make chaos.
var chaos = flag.Bool("chaos", false, "run the fault tests with large counts, and the conformance suite on three servers")

func three(t *testing.T) *natstest.Cluster {
	t.Helper()
	return cluster(t, natstest.Config{Nodes: 3})
}

// The whole suite on three servers takes long, because each of its engines has three streams there.
func TestConformanceOnThreeServers(t *testing.T) {
	if !*chaos {
		t.Skip("with -chaos")
	}
	suiteOn(three(t)).Run(t)
}
