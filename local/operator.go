package local

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/gogo/protobuf/proto"
	"github.com/mesos/mesos-go/api/v1/lib"
)

// The v1 operator API, POST /api/v1, of master and agents: what it reads is
// here; what changes weights, quotas, reservations or maintenance is not, for
// there is none of it, and is answered 501.

// readMessage reads the body of a request; the status is 0 if it is a message
// (Mesos: src/master/http.cpp).
func readMessage(w http.ResponseWriter, r *http.Request, into proto.Message) (status int, text string) {
	contentType := r.Header.Get("Content-Type")
	if contentType == "" {
		return http.StatusBadRequest, "expecting 'Content-Type' to be present"
	}
	cdc := codecOf(contentType)
	if cdc == nil {
		return http.StatusUnsupportedMediaType, "expecting 'Content-Type' of application/json or application/x-protobuf"
	}
	body, status, text := readBody(w, r)
	if status != 0 {
		return status, text
	}
	switch err := cdc.decodeBody(r.Context(), body, into); {
	case err == errGivenUp:
		return http.StatusServiceUnavailable, err.Error()
	case err != nil:
		return http.StatusBadRequest, "Failed to parse body into Call: " + err.Error()
	}
	return 0, ""
}

// readBody reads a body of bounded size; the status is 0 if that went well.
func readBody(w http.ResponseWriter, r *http.Request) (body []byte, status int, text string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, http.StatusRequestEntityTooLarge, "a call has at most 16 MiB"
	case err != nil:
		return nil, http.StatusBadRequest, "the body ended early"
	}
	return body, 0, ""
}

// serveOperator answers a call of the operator API. check says what is wrong
// with it; do makes the answer, nil for one without content.
func serveOperator(w http.ResponseWriter, r *http.Request, call proto.Message, check func() string, do func() (proto.Message, error)) {
	if !allow(w, r, http.MethodPost) {
		return
	}
	status, text := readMessage(w, r, call)
	if status == 0 {
		if text = check(); text != "" {
			status, text = http.StatusBadRequest, "Failed to validate Call: "+text
		}
	}
	cdc := acceptedCodec(r.Header)
	if status == 0 && cdc == nil {
		status, text = http.StatusNotAcceptable, "the answer can be application/json or application/x-protobuf"
	}
	if status != 0 {
		http.Error(w, text, status)
		return
	}
	answer, err := do()
	switch {
	case errors.Is(err, errNotBuilt):
		http.Error(w, err.Error(), http.StatusNotImplemented)
	case errors.Is(err, errStopping):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case errors.Is(err, errNoAgent):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), fileStatus(err))
	case answer != nil:
		body, err := cdc.encode(answer)
		if err != nil {
			http.Error(w, "the answer could not be written", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", cdc.contentType)
		_, _ = w.Write(body) // a client that has gone is no error of ours
	}
}

var (
	errNotBuilt = errors.New("there is no such call here")
	errStopping = errors.New("shutting down")
	//lint:ignore ST1005 these are Mesos' words
	errNoFramework = errors.New("No framework found with specified ID")
	//lint:ignore ST1005 these are Mesos' words
	errNoAgent = errors.New("Agent not found")
)

// encode writes a message.
func (c *codec) encode(m proto.Message) ([]byte, error) {
	if c.protobuf {
		return proto.Marshal(m)
	}
	return appendJSON(nil, m), nil
}

// refinedForm is how the operator API writes resources.
var refinedForm = wireForm{refined: true}

func wireSeconds(s float64) *mesos.TimeInfo {
	if s == 0 {
		return nil
	}
	return &mesos.TimeInfo{Nanoseconds: int64(s * 1e9)}
}

func versionInfo() mesos.VersionInfo {
	b := build
	return mesos.VersionInfo{Version: b.Version, BuildDate: &b.BuildDate, BuildTime: &b.BuildTime, BuildUser: &b.BuildUser}
}

func wireFlags(flags map[string]string) []mesos.Flag {
	var list []mesos.Flag
	for name, value := range flags {
		list = append(list, mesos.Flag{Name: name, Value: &value})
	}
	slices.SortFunc(list, func(a, b mesos.Flag) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func wireMetrics(metrics map[string]float64) []mesos.Metric {
	var list []mesos.Metric
	for name, value := range metrics {
		list = append(list, mesos.Metric{Name: name, Value: &value})
	}
	slices.SortFunc(list, func(a, b mesos.Metric) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// wireTask is a task, whether it has ended or not.
func wireTask(v *taskView) mesos.Task {
	t := mesos.Task{
		Name: v.Name, TaskID: mesos.TaskID{Value: v.ID}, FrameworkID: mesos.FrameworkID{Value: v.FrameworkID}, AgentID: mesos.AgentID{Value: v.AgentID},
		State: taskState(v.State).Enum(), Resources: Resources(v.Resources).wire(refinedForm),
	}
	if v.ExecutorID != "" {
		t.ExecutorID = &mesos.ExecutorID{Value: v.ExecutorID}
	}
	if v.User != "" {
		t.User = &v.User
	}
	if v.Discovery != nil {
		t.Discovery, _ = v.Discovery.message.(*mesos.DiscoveryInfo)
	}
	t.Labels = wireLabels(v.Labels)
	for i := range v.Statuses {
		s := &v.Statuses[i]
		status := mesos.TaskStatus{
			TaskID: t.TaskID, State: taskState(s.State).Enum(), AgentID: &t.AgentID, ExecutorID: t.ExecutorID,
			Timestamp: &s.Timestamp, Healthy: s.Healthy, Labels: wireLabels(s.Labels),
		}
		if s.ContainerStatus != nil {
			status.ContainerStatus, _ = s.ContainerStatus.message.(*mesos.ContainerStatus)
		}
		t.Statuses = append(t.Statuses, status)
	}
	if n := len(t.Statuses); n > 0 {
		t.StatusUpdateState = t.Statuses[n-1].State
	}
	return t
}

// taskState is the state of a name that we wrote ourselves.
func taskState(name string) mesos.TaskState { return mesos.TaskState(mesos.TaskState_value[name]) }

func wireLabels(list []messageView) *mesos.Labels {
	if list == nil {
		return nil
	}
	out := &mesos.Labels{}
	for _, v := range list {
		if label, ok := v.message.(*mesos.Label); ok {
			out.Labels = append(out.Labels, *label)
		}
	}
	return out
}

// listFiles is LIST_FILES: the directory that a path names; nothing for a file.
func (a *agent) listFiles(name string) ([]mesos.FileInfo, error) {
	list := []mesos.FileInfo{}
	err := a.withFile(name, func(root *os.Root, f *os.File, rel string) error {
		entries, err := entriesOf(root, f, rel)
		for entry, info := range entries {
			v := viewFile(strings.TrimRight(name, "/")+"/"+entry, info)
			size, nlink, mode := uint64(v.Size), int32(v.Nlink), unixMode(info.Mode())
			list = append(list, mesos.FileInfo{
				Path: v.Path, Nlink: &nlink, Size_: &size, Mode: &mode, UID: &v.UID, GID: &v.GID,
				Mtime: &mesos.TimeInfo{Nanoseconds: info.ModTime().UnixNano()},
			})
		}
		return err
	})
	slices.SortFunc(list, func(a, b mesos.FileInfo) int { return cmp.Compare(a.Path, b.Path) })
	return list, err
}

// unixMode is a mode as stat(2) has it.
func unixMode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	switch {
	case m.IsDir():
		bits |= 0o040000
	case m&fs.ModeSymlink != 0:
		bits |= 0o120000
	case m.IsRegular():
		bits |= 0o100000
	case m&fs.ModeNamedPipe != 0:
		bits |= 0o010000
	case m&fs.ModeSocket != 0:
		bits |= 0o140000
	}
	return bits
}

// readPart is READ_FILE: some bytes of a file, as they are, and its size.
func (a *agent) readPart(name string, offset uint64, length *uint64) (data []byte, size uint64, err error) {
	err = a.withFile(name, func(_ *os.Root, f *os.File, _ string) error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return errNotFile
		}
		size = uint64(info.Size())
		want := uint64(maxRead)
		if length != nil {
			want = min(want, *length)
		}
		if data = []byte{}; offset >= size {
			return nil // not nil: data is required, which counts in protobuf
		}
		data = make([]byte, min(want, size-offset))
		n, err := f.ReadAt(data, int64(offset))
		data = data[:n]
		if errors.Is(err, io.EOF) {
			err = nil // it was cut meanwhile
		}
		return err
	})
	return data, size, err
}

// serveTeardown removes the framework that a form names.
func (m *master) serveTeardown(w http.ResponseWriter, r *http.Request) {
	if !allow(w, r, http.MethodPost) {
		return
	}
	body, status, text := readBody(w, r)
	if status != 0 {
		http.Error(w, text, status)
		return
	}
	form, err := url.ParseQuery(string(body))
	switch {
	case err != nil:
		http.Error(w, "Unable to decode query string", http.StatusBadRequest)
	case !form.Has("frameworkId"):
		http.Error(w, "Missing 'frameworkId' query parameter in the request body", http.StatusBadRequest)
	default:
		if err := m.teardown(form.Get("frameworkId")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}

// teardown removes a framework because an operator says so.
func (m *master) teardown(id string) error {
	err := errStopping
	m.box.call(func() {
		f := m.frameworks[id]
		if f == nil {
			err = errNoFramework
			return
		}
		m.removeFramework(f, "torn down by an operator")
		err = nil
	})
	return err
}
