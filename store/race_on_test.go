//go:build race

package store

// raceDetector makes everything slow: tests do less of it.
const raceDetector = true
