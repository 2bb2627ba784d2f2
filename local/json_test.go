package local

import (
	"bytes"
	"encoding/json"
	"math/rand"
	"strings"
	"testing"

	"github.com/gogo/protobuf/proto"
	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

func TestDecodeJSON(t *testing.T) {
	value, hundred := "v", 100.5
	yes := true
	tests := []struct {
		name string
		json string
		want proto.Message // nil: refused
	}{
		{"names as in the proto", `{"type":"KILL","kill":{"task_id":{"value":"t"}}}`,
			&scheduler.Call{Type: scheduler.Call_KILL, Kill: &scheduler.Call_Kill{TaskID: mesos.TaskID{Value: "t"}}}},
		{"unknown field, null", `{"type":"REVIVE","nonsense":[1,{}],"kill":null}`, &scheduler.Call{Type: scheduler.Call_REVIVE}},
		{"unknown name of an optional enum", `{"type":"DANCE"}`, &scheduler.Call{}},
		{"unknown capabilities keep their place", `{"user":"u","name":"n","capabilities":[{"type":"FLYING"},{"type":"MULTI_ROLE"}]}`,
			&mesos.FrameworkInfo{User: "u", Name: "n", Capabilities: []mesos.FrameworkInfo_Capability{{}, {Type: mesos.FrameworkInfo_Capability_MULTI_ROLE}}}},
		{"numbers and booleans as strings", `{"user":"u","name":"n","failover_timeout":"100.5","checkpoint":"true"}`,
			&mesos.FrameworkInfo{User: "u", Name: "n", FailoverTimeout: &hundred, Checkpoint: &yes}},
		{"one value for a list", `{"user":"u","name":"n","roles":"a"}`, &mesos.FrameworkInfo{User: "u", Name: "n", Roles: []string{"a"}}},
		{"one message for a list", `{"variables":{"name":"n","value":"v"}}`,
			&mesos.Environment{Variables: []mesos.Environment_Variable{{Name: "n", Value: &value}}}},
		{"a fraction for an integer", `{"nanoseconds":1.9}`, &mesos.DurationInfo{Nanoseconds: 1}},
		{"large integer exactly", `{"nanoseconds":9007199254740993}`, &mesos.DurationInfo{Nanoseconds: 9007199254740993}},
		{"bytes", `{"agent_id":{"value":"a"},"task_id":{"value":"t"},"uuid":"AAEC/w=="}`,
			&scheduler.Call_Acknowledge{AgentID: mesos.AgentID{Value: "a"}, TaskID: mesos.TaskID{Value: "t"}, UUID: []byte{0, 1, 2, 255}}},
		{"a map", `{"quantities":{"cpus":{"value":2}}}`,
			&mesos.OfferFilters_ResourceQuantities{Quantities: map[string]mesos.Value_Scalar{"cpus": {Value: 2}}}},

		{"no JSON", `{nope`, nil},
		{"nothing", ``, nil},
		{"something behind it", `{"nanoseconds":1} x`, nil},
		{"required field missing", `{"user":"u"}`, nil},
		{"required enum unknown", `{"name":"cpus","type":"SHAPE"}`, nil},
		{"enum by number", `{"type":3}`, nil},
		{"string wanted", `{"user":1,"name":"n"}`, nil},
		{"object wanted", `{"task_id":"t"}`, nil},
		{"number wanted", `{"nanoseconds":"x"}`, nil},
		{"number out of range", `{"nanoseconds":1e30}`, nil},
		{"base64 wanted", `{"agent_id":{"value":"a"},"task_id":{"value":"t"},"uuid":"%"}`, nil},
		{"boolean wanted", `{"user":"u","name":"n","checkpoint":1}`, nil},
	}
	intoFor := map[string]proto.Message{
		"required field missing": &mesos.FrameworkInfo{}, "required enum unknown": &mesos.Resource{}, "enum by number": &scheduler.Call{},
		"string wanted": &mesos.FrameworkInfo{}, "object wanted": &scheduler.Call_Kill{}, "base64 wanted": &scheduler.Call_Acknowledge{},
		"boolean wanted": &mesos.FrameworkInfo{},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			into := intoFor[tt.name]
			if tt.want != nil {
				into = proto.Clone(tt.want)
				into.Reset()
			} else if into == nil {
				into = &mesos.DurationInfo{}
			}
			err := decodeJSON([]byte(tt.json), into)
			switch {
			case tt.want == nil && err == nil:
				t.Errorf("taken as %v", into)
			case tt.want != nil && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != nil && !proto.Equal(into, tt.want):
				t.Errorf("got  %v\nwant %v", into, tt.want)
			}
		})
	}
}

func TestEncodeJSON(t *testing.T) {
	text := "say \"hi\"\n\\ é \x01\xff"
	tests := []struct {
		name    string
		message any
		want    string
	}{
		{"unset is left out", heartbeatEvent(), `{"type":"HEARTBEAT"}`},
		{"defaults are written", &mesos.CommandInfo{Value: &text},
			`{"shell":true,"value":"say \"hi\"\n\\ é \u0001�"}`},
		{"no empty list, no deprecated default", &mesos.FrameworkInfo{User: "u"},
			`{"user":"u","name":"","failover_timeout":0.0,"checkpoint":false}`},
		{"enum default by name", &mesos.NetworkInfo_IPAddress{}, `{"protocol":"IPv4"}`},
		{"bytes and required zero values", &scheduler.Event_Message{Data: []byte("hi")},
			`{"agent_id":{"value":""},"executor_id":{"value":""},"data":"aGk="}`},
		{"doubles", &mesos.Value_Scalar{Value: 8}, `{"value":8.0}`},
		{"map by name", &mesos.OfferFilters_ResourceQuantities{Quantities: map[string]mesos.Value_Scalar{"mem": {Value: 1}, "cpus": {Value: 0.25}}},
			`{"quantities":{"cpus":{"value":0.25},"mem":{"value":1.0}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(appendJSON(nil, tt.message)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestJSONRoundTrip writes random messages and reads them again: what comes
// back is what was written, but for defaults that are now said.
func TestJSONRoundTrip(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	whole := 0
	for i := range 300 {
		e := scheduler.NewPopulatedEvent(random, false)
		first := appendJSON(nil, e)
		if !json.Valid(first) {
			t.Fatalf("%d: not JSON: %s", i, first)
		}
		back := &scheduler.Event{}
		if err := decodeJSON(first, back); err != nil {
			if strings.Contains(err.Error(), "unknown name") || strings.Contains(err.Error(), "missing required") {
				continue // random enum numbers have no name
			}
			t.Fatalf("%d: %v in %s", i, err, first)
		}
		if second := appendJSON(nil, back); !bytes.Equal(first, second) {
			t.Fatalf("%d: wrote %s\nthen %s", i, first, second)
		}
		whole++
	}
	if whole < 100 {
		t.Errorf("only %d messages could be compared", whole)
	}
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add(`{"framework_id":{"value":"F"},"type":"DECLINE","decline":{"offer_ids":[{"value":"O"}],"filters":{"refuse_seconds":"Infinity"}}}`)
	f.Add(`{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n","offer_filters":{"*":{"min_allocatable_resources":{"quantities":[{"quantities":{"cpus":{"value":1}}}]}}}}}}`)
	f.Add(`[1,2`)
	f.Fuzz(func(t *testing.T, text string) {
		c := &scheduler.Call{}
		if decodeJSON([]byte(text), c) != nil {
			return
		}
		out := appendJSON(nil, c)
		if !json.Valid(out) {
			t.Fatalf("not JSON: %s", out)
		}
		again := &scheduler.Call{}
		if err := decodeJSON(out, again); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if !bytes.Equal(out, appendJSON(nil, again)) {
			t.Fatalf("not stable: %s", out)
		}
	})
}
