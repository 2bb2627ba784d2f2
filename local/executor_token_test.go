package local

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// secretly lets the clients of a test in where the cluster has a secret: the
// executor API must not see it.
type secretly struct{ secret string }

func (s secretly) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/api/v1/executor") {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+s.secret)
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestExecutorToken: where there is a secret, an executor proves itself with
// what only it was given, and finds the rest that its library needs.
func TestExecutorToken(t *testing.T) {
	http.DefaultClient.Transport = secretly{"hidden"}
	t.Cleanup(func() { http.DefaultClient.Transport = nil })
	c := startCluster(t, Config{Secret: "hidden", ExecutorShutdownGrace: 7 * time.Second})
	s := subscribe(t, c, codecProtobuf, modern)
	o := s.offer()
	a, b := idleExecutor("a", "env > env.part; mv env.part env; exec sleep 1000"), customExecutor(t, "b", codecJSON)
	a.Command.Environment = &mesos.Environment{Variables: []mesos.Environment_Variable{
		{Name: "MESOS_EXECUTOR_AUTHENTICATION_TOKEN", Value: new("forged")}, {Name: "MESOS_DIRECTORY", Value: new("elsewhere")}, {Name: "OWN", Value: new("1")}}}
	s.accept(0, []mesos.Offer{o}, taskOn("t1", o, a, ""), taskOn("t2", o, b, "run"), command1("t3", o, "env"))
	s.until("t2", mesos.TASK_FINISHED) // b has one that works
	s.until("t3", mesos.TASK_FINISHED)
	if out, err := os.ReadFile(filepath.Join(Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "t3"), "stdout")); err != nil || strings.Contains(string(out), "TOKEN") {
		t.Errorf("a command finds %q, %v", out, err)
	}
	dir := Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "a")
	awaitFile(t, filepath.Join(dir, "env"))
	text, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, line := range strings.Split(string(text), "\n") {
		name, value, _ := strings.Cut(line, "=")
		env[name] = value
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	addr := c.Agents()[0].Addr
	for name, want := range map[string]string{
		"MESOS_FRAMEWORK_ID": s.id, "MESOS_EXECUTOR_ID": "a", "MESOS_DIRECTORY": "elsewhere", "MESOS_SANDBOX": real, "MESOS_SLAVE_ID": o.AgentID.Value,
		"MESOS_SLAVE_PID": "slave(1)@" + addr, "MESOS_AGENT_ENDPOINT": addr, "MESOS_CHECKPOINT": "1", "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "7secs",
		"MESOS_RECOVERY_TIMEOUT": "15mins", "MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs", "MESOS_HTTP_COMMAND_EXECUTOR": "0", "MESOS_ALLOCATION_ROLE": "*", "OWN": "1",
	} {
		if env[name] != want {
			t.Errorf("%s is %q, want %q", name, env[name], want)
		}
	}
	token := env["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"]
	x := executorConn{url: "http://" + addr + "/api/v1/executor", framework: s.id, id: "a", codec: codecJSON}
	for _, tt := range []struct {
		id, token string
		status    int
	}{
		{"a", "", 401}, {"a", "forged", 401}, {"a", "hidden", 401}, {"a", token + "x", 401}, // who are you
		{"b", token, 403},                         // not that one
		{"nobody", token, 400}, {"a", token, 403}, // nobody; not subscribed
	} {
		x.id, x.token = tt.id, tt.token
		if status, text, err := x.send(updateCall(statusOf("t1", mesos.TASK_RUNNING))); err != nil || status != tt.status {
			t.Errorf("%s with %.3q: %d %q %v, want %d", tt.id, tt.token, status, text, err, tt.status)
		}
	}
	x.id, x.token = "a", token
	if _, status, err := x.subscribe(t.Context(), &executor.Call_Subscribe{}); err != nil || status != http.StatusOK {
		t.Errorf("subscribe: %d, %v", status, err)
	}
	s.shutdownExecutor(o, "b")
	s.failure()
}
