package scheduler

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cmdq/mesosapi"
)

// replayMaster is a client of a master that says what was recorded. Each
// SUBSCRIBE gets the events of one recorded stream, the last of which stays open.
func replayMaster(t *testing.T, lines []recordedLine) *mesosapi.Conn {
	t.Helper()
	streams := recordedStreams(lines)
	subscribed := make(chan []byte, len(streams))
	for _, s := range streams {
		subscribed <- s
	}
	close(subscribed)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stream, ok := <-subscribed
		if !ok {
			http.Error(w, "no such stream was recorded", http.StatusInternalServerError)
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Mesos-Stream-Id", "00000000-0000-4000-8000-000000000000")
		if _, err := w.Write(stream); err != nil {
			return // the test is over
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		if len(subscribed) == 0 {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(server.Close)
	conn, err := mesosapi.New(mesosapi.Config{Master: strings.TrimPrefix(server.URL, "http://"), JSON: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// recordedStreams are the recorded events as RecordIO, one text for each stream.
func recordedStreams(lines []recordedLine) [][]byte {
	var streams [][]byte
	for _, l := range lines {
		if strings.HasPrefix(l.Do, "subscribe") {
			streams = append(streams, nil)
		}
		if l.Event != nil {
			last := &streams[len(streams)-1]
			*last = append(*last, fmt.Appendf(nil, "%d\n%s", len(l.Event), bytes.TrimSpace(l.Event))...)
		}
	}
	return streams
}
