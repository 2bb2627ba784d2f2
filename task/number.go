package task

import (
	"errors"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Bounds of a need. They are far beyond any machine; with MaxTasks tasks of
// them a sum still fits an int64.
const (
	maxCPUs  = 1_000_000       // whole cpus
	maxMB    = 100_000_000_000 // mem and disk: 100 PB
	maxGPUs  = 1_000_000
	maxYears = 10 // of a duration
)

var (
	errNoNumber = errors.New("not a plain decimal number")
	errNegative = errors.New("negative")
	errTooFine  = errors.New("too fine")
	errTooLarge = errors.New("too large")
)

// scaled is the decimal number in s times unit, exactly, as an integer that is at
// most limit. It takes "12", "0.5", ".5", "1.", "+1" and "1e-3"; a leading zero as in
// "010" is refused because YAML 1.1 reads it as octal.
func scaled(s string, unit, limit int64) (int64, error) {
	minus := strings.HasPrefix(s, "-")
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(strings.TrimLeft(s, "+-")), "e")
	if len(s)-len(strings.TrimLeft(s, "+-")) > 1 || len(s) > 64 {
		return 0, errNoNumber
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole+fraction == "" || !allDigits(whole+fraction) || len(whole) > 1 && whole[0] == '0' {
		return 0, errNoNumber
	}
	fraction = strings.TrimRight(fraction, "0")
	places := len(fraction)
	if hasExponent {
		e, err := strconv.Atoi(exponent)
		if err != nil || e < -99 || e > 99 {
			return 0, errNoNumber
		}
		places -= e
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	switch {
	case digits == "":
		return 0, nil
	case minus:
		return 0, errNegative
	}
	for len(digits) > 1 && places > 0 && digits[len(digits)-1] == '0' {
		digits, places = digits[:len(digits)-1], places-1
	}
	if places < 0 {
		digits, places = digits+strings.Repeat("0", -places), 0
	}
	switch {
	case len(digits)-places > 18:
		return 0, errTooLarge
	case len(digits) > 19 || places > 19:
		return 0, errTooFine
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, errNoNumber
	}
	return divide(n, uint64(unit), places, limit)
}

// divide is n * unit / 10^places, if that is whole and at most limit.
func divide(n, unit uint64, places int, limit int64) (int64, error) {
	ten := uint64(1)
	for range places {
		ten *= 10 // places is at most 19, and 10^19 fits
	}
	hi, lo := bits.Mul64(n, unit)
	if hi >= ten {
		return 0, errTooLarge
	}
	switch v, rest := bits.Div64(hi, lo, ten); {
	case v > uint64(limit) || v == uint64(limit) && rest > 0:
		return 0, errTooLarge
	case rest > 0:
		return 0, errTooFine
	default:
		return int64(v), nil
	}
}

// integer reads a plain whole number, with a sign perhaps.
func integer(s string) (int64, bool) {
	digits := strings.TrimLeft(s, "+-")
	if !allDigits(digits) || len(digits) > 1 && digits[0] == '0' {
		return 0, false
	}
	v, err := strconv.ParseInt(s, 10, 64)
	return v, err == nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

var units = []struct {
	name string
	mb   int64
}{{"MB", 1}, {"GB", 1 << 10}, {"TB", 1 << 20}}

// megabytes reads "512", "512MB", "0.5 gb", "1TB". As in Mesos (3rdparty/stout,
// bytes.hpp) a GB is 1024 MB and a TB is 1024 GB.
func megabytes(s string) (int64, error) {
	unit := int64(1)
	number := strings.ToUpper(s)
	for _, u := range units {
		if n, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimRight(n, " "), u.mb
			break
		}
	}
	return scaled(number, unit, maxMB)
}

// duration reads what time.ParseDuration does, and days: "2d", "1d12h".
func duration(s string) (time.Duration, error) {
	const day, limit = 24 * time.Hour, maxYears * 365 * 24 * time.Hour
	var days time.Duration
	if before, after, ok := strings.Cut(s, "d"); ok {
		n, err := scaled(before, 1, int64(limit/day))
		if err != nil {
			return 0, err
		}
		if days, s = time.Duration(n)*day, after; s == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, errNoNumber
	case d < 0:
		return 0, errNegative
	case d > limit || days+d > limit:
		return 0, errTooLarge
	}
	return days + d, nil
}
