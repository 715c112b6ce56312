package strict

import (
	"net/http"
	"slices"
	"strings"

	"github.com/hashd-project/hashd/v2/internal/header"
)

// Negotiate returns which of the media types, all in lower case, the lines of Accept prefer: the first
// of those they like best, or the first of all if they like none.
func Negotiate(accept []string, offers ...string) string {
	best, quality := offers[0], 0.0
	for _, offer := range offers {
		if q := header.Quality(header.Join(accept), offer); q > quality {
			best, quality = offer, q
		}
	}
	return best
}

// VaryByAccept says that the answer depends on the request's Accept, unless that is said already.
func VaryByAccept(w http.ResponseWriter) {
	h := w.Header()
	for name := range strings.SplitSeq(header.Join(h["Vary"]), ",") {
		if strings.TrimSpace(name) == "Accept" {
			return
		}
	}
	h["Vary"] = append(slices.Clip(h["Vary"]), "Accept") // what others share stays as it is
}
