package engine

import (
	"time"

	"github.com/hashd-project/hashd/v2/internal/digest"
)

// Trace says to which trace the request of a job belongs, as the field traceparent does (W3C Trace Context). It is ""
// for a job that is not traced. To an engine it is text of no meaning, and no secret.
type Trace string

// Hashing is what became of jobs of one request that is traced.
type Hashing struct {
	Trace        Trace
	Algorithm    digest.Algorithm
	Jobs         int       // that were hashed
	Began, Ended time.Time // from the first one's hashing until all were visible
}
