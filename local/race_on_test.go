//go:build race

package local

// raceEnabled makes heavy tests smaller.
const raceEnabled = true
