package local

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mesos/mesos-go/api/v1/lib"
)

func TestMoment(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for ago, want := range map[time.Duration]string{
		-time.Hour: "just now", 0: "just now", 2 * time.Second: "2 s ago", 59 * time.Second: "59 s ago", time.Minute: "1 min ago", 59 * time.Minute: "59 min ago",
		time.Hour: "1 h ago", 47 * time.Hour: "47 h ago", 49 * time.Hour: "2 days ago",
	} {
		if got := (moment{now.Add(-ago), now}).Ago(); got != want {
			t.Errorf("%v: %s, want %s", ago, got, want)
		}
	}
	m := moment{now, now}
	if m.ISO() != "2026-01-02T03:04:05Z" || m.Exact() != "2026-01-02 03:04:05.000 UTC" || !m.Known() || (moment{now: now}).Known() {
		t.Error(m.ISO(), m.Exact())
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KB", 1536: "1.5 KB", 1<<20 - 1: "1 MB", 1 << 20: "1 MB", 8192 << 20: "8 GB", 5 << 40: "5 TB", 1 << 62: "4096 PB",
	} {
		if got := formatBytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain\ttext\n": "plain\ttext\n", "a\r\nb\rc\r": "a\nb\nc\n", "\x1b[31;1mred\x1b[0m": "red", "\x1b[": "\uFFFD[", "\x1b]0;t\a": "\uFFFD]0;t\uFFFD",
		"a\x00b\x7f\xff": "a\uFFFDb\uFFFD\uFFFD", "€": "€", "\x1b[\n": "\uFFFD[\n",
	} {
		if got := printable([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	for _, seed := range []string{"", "a\x1b[31mb", "\x1b[;;", "\r\n\r", "\xe2\x82"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := printable(data)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < 0x20 && r != '\n' && r != '\t' || r == 0x7f }) {
			t.Errorf("%q", got)
		}
	})
}

func TestNatural(t *testing.T) {
	sorted := []string{"", "1", "2", "10", "a", "a1", "a01", "a2", "a2b", "a10", "a10b1", "b"}
	mixed := slices.Clone(sorted)
	slices.Reverse(mixed)
	slices.SortFunc(mixed, natural)
	for i := range sorted {
		if natural(sorted[i], sorted[i]) != 0 {
			t.Errorf("%q is not equal to itself", sorted[i])
		}
		for j := i + 1; j < len(sorted); j++ {
			if natural(sorted[i], sorted[j])*natural(sorted[j], sorted[i]) >= 0 {
				t.Errorf("%q and %q", sorted[i], sorted[j])
			}
		}
	}
	at := func(s string) int { return slices.Index(mixed, s) }
	if at("a2") > at("a10") || at("2") > at("10") || at("a") > at("b") || at("a10") > at("b") {
		t.Errorf("%q", mixed)
	}
}

// TestFirst compares with sorting everything.
func TestFirst(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		list := make([]int, random.IntN(1000))
		for i := range list {
			list[i] = random.IntN(200)
		}
		n := random.IntN(len(list) + 1)
		want := slices.Sorted(slices.Values(list))[:n]
		if got := first(list, n, cmp.Compare[int]); !slices.Equal(got, want) {
			t.Fatalf("the first %d of %d: %v, want %v", n, len(list), got, want)
		}
	}
}

func TestCommandText(t *testing.T) {
	long := strings.Repeat("é", keptText)
	for want, c := range map[string]*mesos.CommandInfo{
		"":                            nil,
		"echo a | cat":                {Value: new("echo a | cat")},
		"/bin/true":                   {Value: new("/bin/true"), Shell: new(false)},
		`"sh" "-c" "echo \"a\""`:      {Value: new("/bin/sh"), Shell: new(false), Arguments: []string{"sh", "-c", `echo "a"`}},
		long[:keptText] + "…":         {Value: &long},
		`"` + long[:keptText-2] + "…": {Value: new("x"), Shell: new(false), Arguments: []string{long, "never", "reached"}},
	} {
		if got := commandText(c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
