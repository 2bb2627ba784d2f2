package task

import (
	"math/big"
	"strings"
	"testing"
	"time"
)

func TestScaled(t *testing.T) {
	const limit = maxCPUs * 1000
	tests := []struct {
		text string
		want int64
		err  error
	}{
		{"0", 0, nil}, {"-0", 0, nil}, {"0.1", 100, nil}, {".5", 500, nil}, {"1.", 1000, nil}, {"+2", 2000, nil},
		{"0.001", 1, nil}, {"0.1000", 100, nil}, {"1e-3", 1, nil}, {"1E2", 100_000, nil}, {"12.5e-1", 1250, nil},
		{"1000000", limit, nil}, {"1000000.000", limit, nil}, {"10e5", limit, nil},
		{"0.0005", 0, errTooFine}, {"1.0001", 0, errTooFine}, {"1e-99", 0, errTooFine}, {"0." + strings.Repeat("0", 40) + "1", 0, errTooFine},
		{"1000000.001", 0, errTooLarge}, {"1000000.0001", 0, errTooLarge}, {"1e99", 0, errTooLarge}, {"99999999999999999999", 0, errTooLarge},
		{"-1", 0, errNegative}, {"-0.001", 0, errNegative},
		{"", 0, errNoNumber}, {".", 0, errNoNumber}, {"-", 0, errNoNumber}, {"+-1", 0, errNoNumber}, {"--1", 0, errNoNumber},
		{"010", 0, errNoNumber}, {"0x10", 0, errNoNumber}, {"1_000", 0, errNoNumber}, {"1e", 0, errNoNumber}, {"1e1000", 0, errNoNumber},
		{"1e1e1", 0, errNoNumber}, {"1.2.3", 0, errNoNumber}, {"NaN", 0, errNoNumber}, {"inf", 0, errNoNumber}, {" 1", 0, errNoNumber}, {"½", 0, errNoNumber},
	}
	for _, tt := range tests {
		if got, err := scaled(tt.text, 1000, limit); got != tt.want || err != tt.err {
			t.Errorf("%q: got %d, %v, want %d, %v", tt.text, got, err, tt.want, tt.err)
		}
	}
}

// FuzzScaled: whatever is taken is what exact arithmetic says, and nothing that
// is a thousandth within the limit is refused.
func FuzzScaled(f *testing.F) {
	for _, s := range []string{"0.1", "1e-3", "999999.999", "1000000", "-1", "0.0005", "12.5e-1", "1e18", "00", "123456789012345678.9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const limit = maxCPUs * 1000
		got, err := scaled(s, 1000, limit)
		if err == errNoNumber || len(s) > 64 {
			return
		}
		exact, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("%q was taken for a number: %d, %v", s, got, err)
		}
		exact.Mul(exact, big.NewRat(1000, 1))
		switch over := exact.Cmp(big.NewRat(limit, 1)) > 0; {
		case err == nil && exact.Cmp(big.NewRat(got, 1)) != 0:
			t.Errorf("%q: got %d, want %v", s, got, exact)
		case (err == errNegative) != (exact.Sign() < 0):
			t.Errorf("%q: %v", s, err)
		case err == errTooLarge && !over:
			t.Errorf("%q: too large, but is %v", s, exact)
		case err == errTooFine && exact.IsInt() && !over:
			t.Errorf("%q: too fine, but is %v", s, exact)
		}
	})
}

func TestMegabytes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "100": 100, "100.0": 100, "512MB": 512, "512 mb": 512, "2GB": 2048, "0.5gb": 512, "1Tb": 1 << 20,
		"0.001953125GB": 2, "100000000000": maxMB, "95367TB": 95367 << 20,
	} {
		if got, err := megabytes(text); got != want || err != nil {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]error{
		"0.3GB": errTooFine, "1.5": errTooFine, "100000000001": errTooLarge, "95368TB": errTooLarge, "-1MB": errNegative,
		"MB": errNoNumber, "2GiB": errNoNumber, "512M": errNoNumber, "1 0MB": errNoNumber, "1MBMB": errNoNumber,
	} {
		if got, err := megabytes(text); err != want {
			t.Errorf("%q: got %d, %v, want %v", text, got, err, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"10m": 10 * time.Minute, "3s": 3 * time.Second, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "1d12h": 36 * time.Hour,
		"1.5s": 1500 * time.Millisecond, "0": 0, "3650d": 3650 * 24 * time.Hour,
	} {
		if got, err := duration(text); got != want || err != nil {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]error{
		"": errNoNumber, "10": errNoNumber, "d": errNoNumber, "1.5d": errTooFine, "1dd": errNoNumber, "1d2": errNoNumber, "ten": errNoNumber,
		"-1s": errNegative, "-1d": errNegative, "1d-1h": errNegative, "3651d": errTooLarge, "3650d1ns": errTooLarge, "90000h": errTooLarge,
		"9999999999999999999d": errTooLarge,
	} {
		if got, err := duration(text); err != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
}
