package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	pb "github.com/mesos/mesos-go/api/v1/lib/agent"

	"cmdq/wire"
)

// Bounds of what is read of an agent, in bytes, and of a listing.
const (
	maxListing = 32 << 20
	maxAround  = 4 << 10 // of a message around its data
	maxEntries = 100_000
)

const protobuf = "application/x-protobuf"

// ask sends a call of the operator API to an agent, about a path in a sandbox, and
// reads its answer.
func (r *Remote) ask(ctx context.Context, agent, name string, call *pb.Call, most int) (*pb.Response, error) {
	body, err := call.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", call.Type, err)
	}
	wait, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	resp, err := r.send(wait, agent, func(base string) (*http.Request, error) {
		req, err := http.NewRequestWithContext(wait, http.MethodPost, base+"/api/v1", bytes.NewReader(body))
		if err == nil {
			req.Header.Set("Content-Type", protobuf)
			req.Header.Set("Accept", protobuf)
			req.Header["Idempotency-Key"] = nil // net/http may repeat it; not sent
		}
		return req, err
	})
	if err == nil {
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return nil, failure(resp, name)
		}
		body, err = readAll(resp.Body, most)
	}
	if err != nil {
		if ctx.Err() == nil && wait.Err() != nil {
			return nil, fmt.Errorf("the agent gave no answer within %s", r.patience())
		}
		return nil, err
	}
	return decode(body, call.Type)
}

// send sends what request makes for the address of an agent. If that fails and
// the agent has another address by now, it tries that one.
func (r *Remote) send(ctx context.Context, agent string, request func(base string) (*http.Request, error)) (*http.Response, error) {
	base, err := r.Door.Agent(ctx, agent)
	if err != nil {
		return nil, fmt.Errorf("find agent %s: %w", agent, err)
	}
	for try := 1; ; try++ {
		req, err := request(base)
		if err != nil {
			return nil, refused("address of agent %s: %v", agent, err)
		}
		resp, err := r.Door.Do(req)
		if err == nil {
			return resp, nil
		}
		now, lost := r.Door.Agent(ctx, agent)
		if try == 2 || ctx.Err() != nil || lost != nil || now == base {
			return nil, err
		}
		base = now
	}
}

// readAll reads a body that may not be larger than most.
func readAll(body io.Reader, most int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(body, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > most {
		return nil, refused("the answer is longer than %d bytes", most)
	}
	return data, nil
}

// decode reads an answer, which must be one to this type of call.
func decode(body []byte, to pb.Call_Type) (*pb.Response, error) {
	answer := new(pb.Response)
	if err := wire.Unmarshal(body, answer); err != nil {
		return nil, refused("decode the answer: %v", err)
	}
	whole := to == pb.Call_LIST_FILES && answer.ListFiles != nil || to == pb.Call_READ_FILE && answer.ReadFile != nil
	if !whole || answer.Type.String() != to.String() {
		return nil, refused("the answer to %s is a %s", to, answer.Type)
	}
	return answer, nil
}

// failure reads an answer that is no success, and closes it. An agent that is
// starting, or that is asked too much, may do better the next time.
func failure(resp *http.Response, name string) error {
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxWords+2*maxPath)) // what there is of it
	words := withoutPath(string(body), name)
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound:
		return ErrNotFound
	case code >= 500 && code != http.StatusNotImplemented, code == http.StatusRequestTimeout, code == http.StatusTooManyRequests:
		return errors.New((&Refused{Status: code, Words: words}).Error())
	default:
		return &Refused{Status: code, Words: words}
	}
}

// withoutPath shortens what an agent says of a path in a sandbox: it names it by where
// it has that sandbox, and whoever cuts that would cut off why.
func withoutPath(words, name string) string {
	before, after, ok := strings.Cut(words, "/"+name+"'")
	begin := strings.LastIndex(before, "'/")
	if !ok || name == "" || begin < 0 {
		return words
	}
	return before[:begin] + "it" + after
}

// failed says what of a path in a sandbox did not work.
func failed(what, name string, err error) error {
	const head, tail = 40, 60
	if len(name) > head+tail {
		name = name[:head] + "…" + name[len(name)-tail:]
	}
	return fmt.Errorf("%s %q: %w", what, strings.ToValidUTF8(name, "…"), err)
}
