//go:build race

package memory

// raceEnabled says whether the race detector, which allocates, is built in.
const raceEnabled = true
