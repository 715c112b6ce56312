//go:build linux

package main

import "slices"

// samples are one figure's values, one a run.
type samples []float64

// collect picks one figure from each result.
func collect[R any](results []R, figure func(R) float64) samples {
	s := make(samples, 0, len(results))
	for _, r := range results {
		s = append(s, figure(r))
	}
	return s
}

// median returns the middle value; there must be at least one.
func (s samples) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// over returns the ratios of values that belong together.
func (s samples) over(divisors samples) samples {
	ratios := make(samples, 0, len(s))
	for i, v := range s {
		ratios = append(ratios, v/divisors[i])
	}
	return ratios
}
