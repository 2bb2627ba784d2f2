package local

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gogo/protobuf/proto"
	"github.com/mesos/mesos-go/api/v1/lib"
	pb "github.com/mesos/mesos-go/api/v1/lib/agent"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// nestedIn puts a message into as many others as fit into size bytes, each in
// the field of one key of one byte.
func nestedIn(key byte, size int) []byte {
	var backwards, head []byte
	for len(backwards) < size-16 {
		head = binary.AppendUvarint(append(head[:0], key), uint64(len(backwards)))
		slices.Reverse(head)
		backwards = append(backwards, head...)
	}
	slices.Reverse(backwards)
	return backwards
}

func inField(number uint64, data []byte) []byte {
	head := binary.AppendUvarint(nil, number<<3|2)
	return append(binary.AppendUvarint(head, uint64(len(data))), data...)
}

// TestDepth: a body that would overflow the stack is refused, and the server
// lives.
func TestDepth(t *testing.T) {
	c := startCluster(t, Config{})
	parents := nestedIn(2<<3|2, maxBody-64) // ContainerID.parent in ContainerID.parent …
	update := inField(5, inField(1, inField(13, inField(4, parents))))
	groups := bytes.Repeat([]byte{15<<3 | 3}, maxBody)
	lists := []byte(strings.Repeat(`{"container_id":`, 9000))
	agentAt, masterAt := "http://"+c.Agents()[0].Addr, "http://"+c.Addr()
	for _, tt := range []struct {
		name, address, kind string
		body                []byte
	}{
		{"an executor's parents", agentAt + "/api/v1/executor", codecProtobuf.contentType, update},
		{"an executor's groups", agentAt + "/api/v1/executor", codecProtobuf.contentType, groups},
		{"an operator's groups", agentAt + "/api/v1", codecProtobuf.contentType, groups},
		{"an operator's groups at the master", masterAt + "/api/v1", codecProtobuf.contentType, groups},
		{"a scheduler's groups", masterAt + "/api/v1/scheduler", codecProtobuf.contentType, groups},
		{"groups in a map", masterAt + "/api/v1/scheduler", codecProtobuf.contentType, inField(4, inField(2, inField(3, inField(1, inField(16, groups[:1<<20])))))},
		{"objects", agentAt + "/api/v1/executor", codecJSON.contentType, lists},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, _, body := ask(t, http.MethodPost, tt.address, string(tt.body), "Content-Type", tt.kind)
			if status != http.StatusBadRequest {
				t.Errorf("%d %.200s, want 400", status, body)
			}
		})
	}
	subscribe(t, c, codecProtobuf, modern).offer()
}

// TestDepthBound: maxDepth messages in each other are read, one more is not, in
// both codecs; numbers of fields are cut as the decoders cut them.
func TestDepthBound(t *testing.T) {
	chain := func(n int) *mesos.ContainerID {
		id := &mesos.ContainerID{Value: "x"}
		for range n - 1 {
			id = &mesos.ContainerID{Value: "x", Parent: id}
		}
		return id
	}
	for n, want := range map[int]error{1: nil, maxDepth: nil, maxDepth + 1: errTooDeep} {
		body, err := proto.Marshal(chain(n))
		if err != nil {
			t.Fatal(err)
		}
		if err := codecProtobuf.decode(body, &mesos.ContainerID{}); !errors.Is(err, want) {
			t.Errorf("%d levels: %v, want %v", n, err, want)
		}
	}
	for n, want := range map[int]error{1: nil, maxJSONDepth - 1: nil, maxJSONDepth: errTooDeep} {
		if err := codecJSON.decode(appendJSON(nil, chain(n)), &mesos.ContainerID{}); !errors.Is(err, want) {
			t.Errorf("%d levels of JSON: %v, want %v", n, err, want)
		}
	}
	deep := binary.AppendUvarint(nil, 1<<35|2<<3|2)
	deep = append(binary.AppendUvarint(deep, 1000), nestedIn(2<<3|2, 1016)[:1000]...)
	if err := codecProtobuf.decode(deep, &mesos.ContainerID{}); err == nil {
		t.Error("a number above 32 bits hides a message")
	}
}

// FuzzDepth: what is not too deep decodes as it would without the check.
func FuzzDepth(f *testing.F) {
	call, err := proto.Marshal(&scheduler.Call{Type: scheduler.Call_SUBSCRIBE, Subscribe: &scheduler.Call_Subscribe{FrameworkInfo: &modern}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(call)
	f.Add(inField(5, inField(1, inField(13, inField(4, nestedIn(2<<3|2, 2000))))))
	f.Add(bytes.Repeat([]byte{15<<3 | 3}, 1000))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			t.Skip("more than 64 KB: it takes longer, and shows no more")
		}
		for _, into := range []proto.Message{&scheduler.Call{}, &executor.Call{}, &pb.Call{}} {
			plain := proto.Clone(into)
			ours := codecProtobuf.decode(data, into)
			theirs := proto.Unmarshal(data, plain)
			if ours == nil && (theirs != nil || !proto.Equal(into, plain)) {
				t.Errorf("decoded as %v, want %v (%v)", into, plain, theirs)
			}
			if ours != nil && theirs == nil && !errors.Is(ours, errTooDeep) && !errors.Is(ours, errWire) {
				t.Errorf("refused: %v", ours)
			}
		}
	})
}
