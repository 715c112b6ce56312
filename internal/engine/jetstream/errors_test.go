package jetstream

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// What the cluster answers becomes what the engine decides on, and whatever it does not know is a cluster
// that is down.
func TestRefusal(t *testing.T) {
	t.Parallel()
	api := func(code jetstream.ErrorCode, description string) error {
		return fmt.Errorf("publish: %w", &jetstream.APIError{ErrorCode: code, Description: description})
	}
	for _, tc := range []struct {
		err, want error
		definite  bool
	}{
		{nil, nil, false},
		{api(codeWrongLast, ""), errTaken, true},
		{api(codeWrongLastBusy, ""), errTaken, true},
		{api(codeStoreFailed, "maximum messages per subject exceeded"), errFull, true},
		{api(codeStoreFailed, "insufficient storage"), engine.ErrDown, false},
		{api(codeIncomplete, ""), errBusy, false},
		{api(codeManyPublishes, ""), errBusy, false},
		{api(1, "another"), engine.ErrDown, false},
		{context.DeadlineExceeded, engine.ErrDown, false},
		{fmt.Errorf("call: %w", engine.ErrClosed), engine.ErrClosed, false},
	} {
		got := refusal(tc.err)
		if !errors.Is(got, tc.want) || (got == nil) != (tc.want == nil) {
			t.Errorf("%v is refused with %v, want %v", tc.err, got, tc.want)
		}
		if definite(got) != tc.definite {
			t.Errorf("%v says for sure that nothing was stored: %v, want %v", tc.err, !tc.definite, tc.definite)
		}
		if errors.Is(got, engine.ErrDown) && !errors.Is(got, tc.err) {
			t.Errorf("%v does not say why it is down: %v", got, tc.err)
		}
	}
}
