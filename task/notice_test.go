package task

import (
	"strings"
	"testing"
)

func TestParseNotice(t *testing.T) {
	long := strings.Repeat("x", maxNoticeText+1)
	for _, tt := range []struct {
		text string
		want Notice
		err  string
	}{
		{"echo done", Notice{Command: "echo done"}, ""},
		{"http POST h:1/x", Notice{Command: "http POST h:1/x"}, ""}, // a program of that name
		{"http://h:1/x", Notice{URL: "http://h:1/x"}, ""},
		{"HTTPS://ann:hush@h/x?hush", Notice{URL: "HTTPS://ann:hush@h/x?hush"}, ""},
		{"", Notice{}, "want a shell command"},
		{" \n", Notice{}, "want a shell command"},
		{long, Notice{}, "at most 65536 bytes"},
		{"http://", Notice{}, "want an address"},
		{"https:///hush", Notice{}, "want an address"},
		{"http://h:hush/", Notice{}, "want an address"},
		{"http://h/" + long, Notice{}, "want an address of at most"},
	} {
		got, err := ParseNotice(tt.text)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got != tt.want || !strings.Contains(text, tt.err) || (err == nil) != (tt.err == "") || strings.Contains(text, "hush") || len(text) > 200 {
			t.Errorf("%.40q: %+v, %v; want %+v, %q", tt.text, got, err, tt.want, tt.err)
		}
	}
}
