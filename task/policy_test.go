package task

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

const policyTail = "\ntasks:\n- {id: a, command: x, cpus: 1, mem: 1}\n"

func TestPolicy(t *testing.T) {
	tests := []struct {
		text string
		want Policy
	}{
		{"", Policy{}},
		{"groups:", Policy{}},
		{"groups: {}\non_finish: []", Policy{}},
		{"on_finish: mail -s done ann\non_failure: {url: 'https://h/x?y'}", Policy{OnFinish: []Notice{{Command: "mail -s done ann"}}, OnFailure: []Notice{{URL: "https://h/x?y"}}}},
		{"on_failure: {command: stop}", Policy{OnFailure: []Notice{{Command: "stop"}}}},
		{"on_finish: [a, {command: b}, {url: http://c}]", Policy{OnFinish: []Notice{{Command: "a"}, {Command: "b"}, {URL: "http://c"}}}},
		{"groups: {g: {max_running: 2}, h: {max_failures: 0, on_failure: cancel}, i: {max_failures: -1}, j: {}}", Policy{Groups: map[string]Group{
			"g": {MaxRunning: 2, MaxFailures: Unlimited}, "h": {MaxFailures: 0, OnFailure: CancelGroup}, "i": {MaxFailures: Unlimited}, "j": {MaxFailures: Unlimited}}}},
		{"groups:\n  g:\n    max_failures: 3\n    on_failure: continue\n    on_finish: {command: f}\n    on_first_failure: [{url: http://h}]\n", Policy{Groups: map[string]Group{
			"g": {MaxFailures: 3, OnFailure: Continue, Finish: []Notice{{Command: "f"}}, Failure: []Notice{{URL: "http://h"}}}}}},
	}
	for _, tt := range tests {
		got := parse(t, tt.text+policyTail).Policy
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", tt.text, got, tt.want)
		}
		data, err := json.Marshal(got)
		var back Policy
		if err != nil || json.Unmarshal(data, &back) != nil || !reflect.DeepEqual(back, got) {
			t.Errorf("%s: as JSON %s, %v", tt.text, data, err)
		}
	}
	p := Policy{Groups: map[string]Group{"g": {MaxRunning: 1}}}
	if g := p.Group("g"); g.MaxRunning != 1 || g.MaxFailures != 0 {
		t.Errorf("g: %+v", g)
	}
	if g := p.Group("h"); !reflect.DeepEqual(g, Group{MaxFailures: Unlimited}) || !reflect.DeepEqual((&Policy{}).Group(""), g) {
		t.Errorf("h: %+v, of which nothing is said", g)
	}
}

// badPolicies stand before tasks that are right; want is how the first error begins.
func badPolicies() []badTask {
	return []badTask{
		{"groups: [g]", `groups: found a list, allowed is a map of names to maps with max_running or max_failures`},
		{"groups: {'a b': {}}", `groups: found the name "a b", allowed are at most 200 ` + allowedGroup},
		{"groups: {g: 3}", `groups "g": found "3", allowed is a map with max_running or max_failures`},
		{"groups: {g: }", `groups "g": found nothing, allowed is a map with max_running or max_failures`},
		{"groups: {g: {max_running: 0}}", `groups "g" max_running: found "0", allowed is a whole number from 1 to 2147483647`},
		{"groups: {g: {max_failures: -2}}", `groups "g" max_failures: found "-2", allowed is a whole number from -1 to 2147483647`},
		{"groups: {g: {max_failures: 1, on_failure: ignore}}", `groups "g" on_failure: found "ignore", allowed is continue, stop`},
		{"groups: {g: {on_failure: stop}}", `groups "g" on_failure: found it without max_failures, after which it would be done, write max_failures: 0 where the first one counts`},
		{"groups: {g: {max_runing: 1}}", `found the unknown field "max_runing", did you mean max_running?`},
		{"group: g", `found group beside tasks, allowed is in a task or in defaults`},
		{"on_finish: ", `on_finish: found nothing, allowed is ` + allowedNotice},
		{"on_finish: ' '", `on_finish: found an empty text, allowed is a shell command`},
		{"on_finish: [[x]]", `on_finish: found a list, allowed is ` + allowedNotice},
		{"on_failure: stop", `on_failure: found "stop", which only groups may have, allowed is ` + allowedNotice},
		{"on_finish: {}", `on_finish: found 0 fields, allowed is one: command or url`},
		{"on_finish: {command: x, url: http://h}", `on_finish: found 2 fields, allowed is one: command or url`},
		{"on_finish: {uri: http://h}", `found the unknown field "uri", did you mean url?`},
		{"on_failure: {url: ftp://ann:secret@h}", `on_failure url: found something else, allowed is an address that begins with http:// or https://, of at most 1024 bytes`},
		{"on_failure: {url: /x}", `on_failure url: found something else, allowed is an address that begins with http:// or https://, of at most 1024 bytes`},
		{"on_failure: [" + strings.Repeat("x, ", 11) + "]", `on_failure: found 11, allowed are at most 10`},
		{"on_failure: " + strings.Repeat("x", maxNoticeText+1), `on_failure: found 65537 bytes, allowed are at most 65536`},
		{"groups: {g: {on_first_failure: {command: ''}}}", `groups "g" on_first_failure command: found an empty text, allowed is a shell command`},
		{"on_finsh: x", `found the unknown field "on_finsh", did you mean on_finish?`},
	}
}

func TestPolicyErrors(t *testing.T) {
	for _, tt := range badPolicies() {
		_, err := Parse("f", []byte(tt.fields+policyTail))
		first := ""
		if err != nil {
			first, _, _ = strings.Cut(err.Error(), "\n")
		}
		if want := "f:1: " + tt.want; !strings.HasPrefix(first, want) {
			t.Errorf("%.100s:\ngot  %v\nwant %s", tt.fields, err, want)
		}
		if strings.Contains(first, "secret") {
			t.Errorf("%.100s: the address is shown", tt.fields)
		}
	}
}

// TestGroupsOfTasks: a group that is mistyped would have no bounds.
func TestGroupsOfTasks(t *testing.T) {
	for _, tt := range []struct{ groups, of, want string }{
		{"", "bd", ""},
		{"groups:\n", "bd", ""},
		{"groups: {}\n", "bd", ""},
		{"groups: {db: {max_running: 1}}\n", "db", ""},
		{"groups: {bd: {}, db: {max_running: 1}}\n", "bd", ""},
		{"groups: {db: {max_running: 1}}\n", "bd", `f:5: task "a": group: found "bd", which is not in groups, did you mean db?`},
		{"groups: {db: {max_running: 1}}\n", "other", `f:5: task "a": group: found "other", which is not in groups; write other: {} there if it has no bounds`},
	} {
		tasks := "tasks:\n  - {id: a, command: x, cpus: 1, mem: 1,\n     # which\n     group: " + tt.of + "}\n  - {id: b, command: x, cpus: 1, mem: 1, group: " + tt.of + "}\n"
		for _, text := range []string{tt.groups + tasks, tasks + tt.groups} {
			_, err := Parse("f", []byte(text))
			got := ""
			if err != nil {
				got = err.Error()
			}
			want := tt.want
			if !strings.HasPrefix(text, "groups") {
				want = strings.Replace(want, "f:5", "f:4", 1)
			}
			if got != want {
				t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
			}
		}
	}
	_, err := Parse("f", []byte("groups: {g: {}}\ndefaults: {group: gg, cpus: 1, mem: 1}\ntasks: [{id: a, command: x}]\n"))
	if want := `f:2: group: found "gg", which is not in groups, did you mean g?`; err == nil || err.Error() != want {
		t.Errorf("in defaults: got %v, want %s", err, want)
	}
}
