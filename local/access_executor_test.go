package local

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
	"github.com/sirupsen/logrus"
)

// TestTokensStaySecret: in a guarded cluster an executor has a token, which lets
// it in as itself and nobody else, and which nobody is told.
func TestTokensStaySecret(t *testing.T) {
	var logged bytes.Buffer
	logger := logrus.New()
	logger.SetLevel(logrus.TraceLevel)
	logger.SetOutput(&logged) // logrus writes one line at a time
	const secret = "s3cret-of-ours"
	c := startCluster(t, Config{Secret: secret, Log: logrus.NewEntry(logger)})
	s := subscribe(t, c, codecJSON, modern)
	o := s.offer()
	s.accept(0, []mesos.Offer{o}, taskOn("t1", o, customExecutor(t, "e1", codecJSON), "hold"), taskOn("t2", o, customExecutor(t, "e2", codecProtobuf), "hold"))
	s.until("t1", mesos.TASK_RUNNING)
	s.until("t2", mesos.TASK_RUNNING)
	tokens := map[string]string{}
	a := c.agents[0]
	a.box.call(func() {
		for id, e := range a.frameworks[s.id].executors {
			tokens[id] = e.token
		}
	})
	if len(tokens["e1"]) < 32 || tokens["e1"] == tokens["e2"] {
		t.Fatalf("the tokens are %q", tokens)
	}
	at := "http://" + a.addr.String() + "/slave(1)/api/v1/executor"
	message := func(executor string) string {
		return `{"type":"MESSAGE","framework_id":{"value":"` + s.id + `"},"executor_id":{"value":"` + executor + `"},"message":{"data":""}}`
	}
	for _, tt := range []struct {
		authorization, executor string
		want                    int
	}{
		{"", "e1", 401}, {"Bearer ", "e1", 401}, {"Bearer x", "e1", 401}, {"Bearer " + secret, "e1", 401}, {tokens["e1"], "e1", 401}, {"Basic " + tokens["e1"], "e1", 401},
		{"Bearer " + tokens["e1"], "e1", 202}, {"Bearer " + tokens["e1"], "e2", 403}, {"Bearer " + tokens["e2"], "e2", 202},
	} {
		status, header, _ := ask(t, "POST", at, message(tt.executor), "Content-Type", "application/json", "Authorization", tt.authorization)
		if status != tt.want || (status == 401) != (header.Get("WWW-Authenticate") == `Bearer realm="mesos-agent-executor"`) {
			t.Errorf("%q as %s: %d %q, want %d", tt.authorization, tt.executor, status, header.Get("WWW-Authenticate"), tt.want)
		}
	}
	for _, address := range allRoutes(c) {
		who := "Bearer " + tokens["e1"]
		if status, _, _ := ask(t, "GET", address, "", "Authorization", who); status != 401 && !isPublic(split(t, address)) && !strings.HasSuffix(address, "/executor") {
			t.Errorf("%s lets an executor in: %d", address, status)
		}
		_, _, body := ask(t, "GET", address, "", "Authorization", "Bearer "+secret)
		for _, hidden := range []string{secret, tokens["e1"], tokens["e2"]} {
			if bytes.Contains(body, []byte(hidden)) {
				t.Errorf("%s tells a secret", address)
			}
		}
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{secret, tokens["e1"], tokens["e2"]} {
		if strings.Contains(logged.String(), hidden) {
			t.Error("the log tells a secret")
		}
	}
}
