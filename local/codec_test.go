package local

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// TestLargeBodiesTakeTurns: while one large body is decoded, another one waits
// for as long as its request lasts; small ones do not wait.
func TestLargeBodiesTakeTurns(t *testing.T) {
	read := func(ctx context.Context, size int, text string) int {
		body := append(bytes.Repeat([]byte(" "), size), text...)
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", codecJSON.contentType)
		status, _ := readMessage(httptest.NewRecorder(), r, &scheduler.Call{})
		return status
	}
	const good = `{"type": "REVIVE", "framework_id": {"value": "f"}}`
	over, cancel := context.WithCancel(t.Context())
	cancel()

	largeBodies <- struct{}{}
	if status := read(over, largeBody, good); status != http.StatusServiceUnavailable {
		t.Errorf("a large body did not wait: status %d", status)
	}
	if status := read(t.Context(), largeBody-1000, good); status != 0 {
		t.Errorf("a small body: status %d", status)
	}
	later := make(chan int)
	go func() { later <- read(t.Context(), largeBody, good) }()
	<-largeBodies
	if status := <-later; status != 0 {
		t.Errorf("a large body whose turn has come: status %d", status)
	}
	// Whatever becomes of a body, the next one has its turn.
	for _, text := range []string{`{"type": `, good} {
		want := 0
		if text != good {
			want = http.StatusBadRequest
		}
		if status := read(t.Context(), largeBody, text); status != want {
			t.Errorf("%s: status %d, want %d", text, status, want)
		}
	}
}
