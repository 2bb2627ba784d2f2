package mesosapi

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// Events as Apache Mesos 1.12 sent them, one a line; the first of a stream has
// a capability that mesos-go does not know.
func recorded(t testing.TB) [][]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "events.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(b), []byte("\n"))
}

func TestRecordedEvents(t *testing.T) {
	seen := map[scheduler.Event_Type]bool{}
	for _, line := range recorded(t) {
		event, err := jsonCodec.event(line)
		if err != nil || event == nil {
			t.Fatalf("%s: %v", line, err)
		}
		seen[event.Type] = true
		b, err := event.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := protobufCodec.event(b)
		if err != nil || !reflect.DeepEqual(normal(t, again), normal(t, event)) {
			t.Errorf("not the same in protobuf: %v\n%s\n%s", err, normal(t, event), normal(t, again))
		}
		for i := range line {
			line[i] = 'x' // nothing of the bytes may be left in the event
		}
		if after, err := event.Marshal(); err != nil || !bytes.Equal(after, b) {
			t.Errorf("%s changed with the buffer it came in", event.Type)
		}
	}
	for _, want := range []scheduler.Event_Type{scheduler.Event_SUBSCRIBED, scheduler.Event_OFFERS,
		scheduler.Event_UPDATE, scheduler.Event_RESCIND, scheduler.Event_FAILURE} {
		if !seen[want] {
			t.Errorf("no %s recorded", want)
		}
	}
}

// normal is an event as JSON, which does not tell empty from absent.
func normal(t testing.TB, e *scheduler.Event) string {
	t.Helper()
	b, err := e.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(":null", ":[]").Replace(string(b))
}

func TestNamesOfNewerMasters(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   string
		ok   func(*scheduler.Event) bool // nil: an error
	}{
		{"capability of the master",
			`{"type":"SUBSCRIBED","subscribed":{"framework_id":{"value":"F"},"master_info":{"id":"m","ip":1,"port":5050,"capabilities":[{"type":"AGENT_UPDATE"},{"type":"QUOTA_V2"},{"type":"QUOTA_V9"}]}}}`,
			func(e *scheduler.Event) bool {
				c := e.Subscribed.MasterInfo.Capabilities
				return len(c) == 3 && c[0].Type == mesos.MasterInfo_Capability_AGENT_UPDATE && c[1].Type == mesos.MasterInfo_Capability_UNKNOWN
			}},
		{"reason and source, but not the like of them in a message",
			`{"type":"UPDATE","update":{"status":{"task_id":{"value":"t"},"state":"TASK_LOST","reason":"REASON_X","source":"SOURCE_Y","message":"REASON_X"}}}`,
			func(e *scheduler.Event) bool {
				s := e.Update.Status
				return s.Reason == nil && s.Source == nil && s.GetMessage() == "REASON_X" && s.GetState() == mesos.TASK_LOST
			}},
		{"numbers are kept",
			`{"type":"UPDATE","update":{"status":{"task_id":{"value":"t"},"state":"TASK_LOST","reason":"REASON_X","timestamp":1700000000.123456}}}`,
			func(e *scheduler.Event) bool { return e.Update.Status.GetTimestamp() == 1700000000.123456 }},
		{"a state is not guessed", `{"type":"UPDATE","update":{"status":{"task_id":{"value":"t"},"state":"TASK_X"}}}`, nil},
		{"ten unknown names",
			`{"type":"SUBSCRIBED","subscribed":{"framework_id":{"value":"F"},"master_info":{"id":"m","ip":1,"port":1,"capabilities":[` +
				`{"type":"A"},{"type":"B"},{"type":"C"},{"type":"D"},{"type":"E"},{"type":"F"},{"type":"G"},{"type":"H"},{"type":"I"},{"type":"J"}]}}}`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := jsonCodec.event([]byte(tt.in))
			if tt.ok == nil {
				if err == nil {
					t.Errorf("got %s", normal(t, e))
				}
				return
			}
			if err != nil || e == nil || !tt.ok(e) {
				t.Errorf("got %v %+v", err, e)
			}
		})
	}
}

// The first ends the process (stack overflow) if it reaches the decoder.
func TestHostileBytes(t *testing.T) {
	update := func(depth int) []byte { // UPDATE of a container in so many others
		var id *mesos.ContainerID
		for range depth {
			id = &mesos.ContainerID{Value: "c", Parent: id}
		}
		status := mesos.TaskStatus{TaskID: mesos.TaskID{Value: "t"}, State: mesos.TASK_RUNNING.Enum(), ContainerStatus: &mesos.ContainerStatus{ContainerID: id}}
		e := scheduler.Event{Type: scheduler.Event_UPDATE, Update: &scheduler.Event_Update{Status: status}}
		b, err := e.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if e, err := protobufCodec.event(update(50)); err != nil || e.Update.Status.ContainerStatus.ContainerID.Value != "c" {
		t.Fatalf("the test itself is wrong: %v %v", e, err)
	}
	for _, tt := range []struct {
		name  string
		in    []byte
		words string // of protobuf's refusal
	}{
		{"endless groups", append([]byte{0x08, 0x08}, bytes.Repeat([]byte{0x7b}, 8<<20)...), "nested deeper"},
		{"containers in a parent", update(20_000), "nested deeper"},
		{"just short enough", append([]byte{0x08, 0x08}, bytes.Repeat([]byte{0x7b}, 64<<10-2)...), "EOF"},
		// A group whose inner length takes the index beyond an int.
		{"length out of range", []byte{0x08, 0x08, 0x7b, 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, "out of range"},
		{"deep JSON", []byte(strings.Repeat(`{"a":`, 1<<20)), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if e, err := protobufCodec.event(tt.in); err == nil || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("read as %v %v", e, err)
			}
			if e, err := jsonCodec.event(tt.in); err == nil {
				t.Errorf("read as %v", e)
			}
		})
	}
}

func FuzzEvent(f *testing.F) {
	for _, line := range recorded(f) {
		f.Add(line)
		if event, err := jsonCodec.event(line); err == nil {
			b, _ := event.Marshal()
			f.Add(b)
		}
	}
	f.Add(bytes.Repeat([]byte{0x7b}, 10))
	f.Add([]byte(`{"type":"UPDATE","update":{"status":{"reason":"REASON_X"}}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, c := range []codec{protobufCodec, jsonCodec} {
			event, err := c.event(bytes.Clone(in))
			if err != nil && event != nil {
				t.Fatal("an event and an error")
			}
			if event != nil && !whole(event) {
				t.Fatalf("%s without its content", event.Type)
			}
		}
	})
}
