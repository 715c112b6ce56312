package engine

import (
	"testing"

	"pgregory.net/rapid"
)

// What a cursor has passed is bounded, and never hides a job: at random the stretches noted are as they were.
func TestPassedModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		own := make(map[int64]bool)
		for range rapid.IntRange(0, 10).Draw(t, "own") {
			own[rapid.Int64Range(1, 2000).Draw(t, "id")] = true
		}
		var p Passed
		least := rapid.SampledFrom([]int64{1, 64}).Draw(t, "least")
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			after := rapid.Int64Range(0, 2000).Draw(t, "after")
			at := p.Skip(after)
			for id := after + 1; id <= at; id++ {
				if own[id] {
					t.Fatalf("after %d the cursor skips to %d, over %d", after, at, id)
				}
			}
			from := at
			for end := at + rapid.Int64Range(0, 900).Draw(t, "length"); at < end && !own[at+1]; {
				at++
			}
			p.Note(from, at, least)
		}
	})
}
