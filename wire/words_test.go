package wire

import "testing"

func TestOneLine(t *testing.T) {
	for _, tt := range []struct {
		in   string
		most int
		want string
	}{
		{"", 10, ""},
		{"no such file", 100, "no such file"},
		{" two\r\n\tlines \n", 100, "two lines"},
		{"\x1b[31mred\x07 \u202eback\x00", 100, "[31mred back"},
		{"bytes \xff\xfe that are no text", 100, "bytes that are no text"},
		{"aé", 2, "a"}, // cut within a rune
		{"longer than that", 6, "longer"},
	} {
		if got := OneLine(tt.in, tt.most); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.in, got, tt.want)
		}
	}
}
