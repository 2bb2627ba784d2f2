package executor

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

func TestParseCommand(t *testing.T) {
	for _, tt := range []struct{ data, err string }{
		{`{"command":"echo hi"}`, ""},
		{`{"argv":["a b","c"],"env":{"A":"b"},"timeout":"1m30s","kill_grace":"0s"}`, ""},
		{`{"command":"x","uris":[{"value":"http://h/x.tgz","extract":false}],"files":[{"url":"http://h/f","name":"d/f"}]}`, ""},
		{``, "EOF"},
		{`{}`, "neither command nor argv"},
		{`{"command":"a","argv":["b"]}`, "both"},
		{`{"argv":[""]}`, "no name"},
		{`{"command":"a\u0000b"}`, "NUL"},
		{`{"command":"a"} {"command":"b"}`, "more than one"},
		{`{"command":"a","retries":3}`, "unknown field"},
		{`{"command":"true","COMMAND":"false"}`, `unknown field "COMMAND"`},
		{`{"command":"true","command":"false"}`, `field "command" is given twice`},
		{`{"command":"a","env":{"A":"1","a":"2"}}`, ""},
		{`{"command":"a","env":{"A":"1","A":"2"}}`, `field "A" is given twice`},
		{`{"command":"a","uris":[{"value":"/x","Extract":false}]}`, `unknown field "Extract"`},
		{`{"command":"a","env":{"":"x"}}`, "env"},
		{`{"command":"a","timeout":"-1s"}`, "negative"},
		{`{"command":"a","timeout":10}`, "timeout"},
		{`{"command":"a","files":[{"url":"http://h/f","name":"../f"}]}`, "not below"},
		{`{"command":"a","files":[{"url":"http://h/f","name":"/etc/f"}]}`, "not below"},
		{`{"command":"a","uris":[{"value":"ftp://h/f"}]}`, "scheme"},
		{`{"command":"a","uris":[{"value":"http://h/f","output_file":"../f"}]}`, "within"},
	} {
		c, err := ParseCommand([]byte(tt.data))
		switch {
		case tt.err == "" && err != nil:
			t.Errorf("%s: %v", tt.data, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: %v, %v; want an error with %q", tt.data, c, err, tt.err)
		}
	}
}

func TestCommandDefaults(t *testing.T) {
	c, err := ParseCommand([]byte(`{"command":"x","timeout":"90s","uris":[{"value":"/a/b.tgz"},{"value":"/a/c","executable":true,"cache":true,"extract":false}],
		"files":[{"url":"http://h/secret/f.tgz","name":"f.tgz","executable":true}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []URI{{Value: "/a/b.tgz", Extract: true}, {Value: "/a/c", Executable: true, Cache: true},
		{Value: "http://h/secret/f.tgz", OutputFile: "f.tgz", Executable: true}}
	if got := c.fetches(); !reflect.DeepEqual(got, want) {
		t.Errorf("fetched are %+v, want %+v", got, want)
	}
	if time.Duration(c.Timeout) != 90*time.Second || c.KillGrace != nil {
		t.Errorf("timeout %v, kill grace %v", time.Duration(c.Timeout), c.KillGrace)
	}
}

func TestDataTooLong(t *testing.T) {
	if _, err := ParseCommand([]byte(`{"command":"` + strings.Repeat("x", maxData) + `"}`)); err == nil {
		t.Error("it was read")
	}
}

// FuzzParseCommand: what is read comes back from what is written.
func FuzzParseCommand(f *testing.F) {
	f.Add([]byte(`{"command":"echo","env":{"A":"b"},"timeout":"1s","kill_grace":"2s","uris":[{"value":"/x","extract":true}]}`))
	f.Add([]byte(`{"argv":["a"],"files":[{"url":"/x","name":"y"}],"user":"u"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCommand(data)
		if err != nil {
			return
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseCommand(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if text2, _ := json.Marshal(again); string(text2) != string(text) {
			t.Errorf("%s became %s", text, text2)
		}
	})
}

// TestLongMessage: what somebody else wrote does not come back in full.
func TestLongMessage(t *testing.T) {
	s := newState(testRules(), time.Now())
	s.step(s.now, launched{mesos.TaskInfo{TaskID: mesos.TaskID{Value: "a"}, Data: []byte(`{"` + strings.Repeat("ä", 100_000) + `":1}`)}})
	said := s.tasks["a"].updates[0].status
	if said.GetState() != mesos.TASK_ERROR || len(said.GetMessage()) > maxMessage || !utf8.ValidString(said.GetMessage()) {
		t.Errorf("%s, %d bytes", said.GetState(), len(said.GetMessage()))
	}
}
