package local

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// tarball is a .tgz with one file.
func tarball(t *testing.T, name, text string) string {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "archive.tgz")
	writeFile(t, file, buf.String())
	return file
}

// TestURIs: commands and executors find what they wanted fetched.
func TestURIs(t *testing.T) {
	c := startCluster(t, Config{})
	s := subscribe(t, c, codecProtobuf, modern)
	archive := tarball(t, "hello.sh", "#!/bin/sh\nexit ${1-4}\n")
	uris := []mesos.CommandInfo_URI{{Value: archive}}
	o := s.offer()
	x := command1("command", o, "./hello.sh 3")
	x.Command.URIs = uris
	e := idleExecutor("e1", "./hello.sh")
	e.Command.URIs = uris
	bad := command1("bad", o, "true")
	bad.Command.URIs = []mesos.CommandInfo_URI{{Value: "file:///no/such/file"}}
	worse := idleExecutor("e2", "true")
	worse.Command.URIs = bad.Command.URIs
	s.accept(3600, []mesos.Offer{o}, x, taskOn("t1", o, e, ""), bad, taskOn("t2", o, worse, ""))
	if all := s.until("command", mesos.TASK_FAILED); all[len(all)-1].GetMessage() != "Command exited with status 3" {
		t.Errorf("%v", all)
	}
	for _, id := range []string{"bad", "t2"} {
		if st := s.update(id); st.GetState() != mesos.TASK_FAILED || st.GetReason() != mesos.REASON_CONTAINER_LAUNCH_FAILED || st.GetSource() != mesos.SOURCE_AGENT ||
			!strings.HasPrefix(st.GetMessage(), "Failed to launch container: Failed to fetch all URIs for container") {
			t.Errorf("%s: %v", id, st)
		}
	}
	for range 2 {
		f := s.failure()
		if want := map[string]int32{"e1": 4 << 8, "e2": -1}[f.ExecutorID.Value]; f.GetStatus() != want {
			t.Errorf("the failure is %v, want status %d", f, want)
		}
	}
}

// hangingServer serves a file that never comes, and says when it was asked.
func hangingServer(t *testing.T, asked chan<- struct{}) string {
	t.Helper()
	l, _, err := listenOn("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return "http://" + l.Addr().String() + "/file"
}

// TestKillWhileFetching: a fetch that hangs ends with its task.
func TestKillWhileFetching(t *testing.T) {
	c := startCluster(t, Config{})
	asked := make(chan struct{}, 2)
	slow := []mesos.CommandInfo_URI{{Value: hangingServer(t, asked)}}
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	x := command1("t1", o, "true")
	x.Command.URIs = slow
	e := idleExecutor("e1", "true")
	e.Command.URIs = slow
	s.accept(3600, []mesos.Offer{o}, x, taskOn("t2", o, e, ""))
	<-asked
	<-asked
	for _, id := range []string{"t1", "t2"} {
		s.kill(id, -1)
		if st := s.update(id); st.GetState() != mesos.TASK_KILLED || st.GetReason() != mesos.REASON_TASK_KILLED_DURING_LAUNCH || st.GetSource() != mesos.SOURCE_AGENT {
			t.Errorf("%v", st)
		}
	}
	s.shutdownExecutor(o, "e1")
	if f := s.failure(); f.GetStatus() != -1 {
		t.Errorf("the failure is %v", f)
	}
}
