package mesosapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// BenchmarkAcknowledge sends acknowledgements to a server in the same process
// that only reads them, so that the figure holds its half as well.
func BenchmarkAcknowledge(b *testing.B) {
	f := &fake{codec: protobufCodec}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != "" {
			stream := &stream{f: f, w: w, r: r, id: "6f1f4d2e-2a5e-4a3c-9a53-0f5f0d7c1b11"}
			stream.open()
			stream.subscribed(15)
			stream.hold()
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	defer s.Close()
	c, err := New(Config{Master: s.Listener.Addr().String()})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	c.Subscribe(subscribe())
	<-c.Incoming()
	call := acknowledge(1)
	b.ReportAllocs()
	for n := 1; b.Loop(); n++ {
		c.Acknowledge(call)
		if n%1000 == 0 {
			if err := c.Flush(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := c.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acks/s")
}

// BenchmarkEvents decodes an update of a task and an event of 100 offers.
func BenchmarkEvents(b *testing.B) {
	scalar := func(name string, v float64) mesos.Resource {
		t := mesos.SCALAR
		return mesos.Resource{Name: name, Type: &t, Scalar: &mesos.Value_Scalar{Value: v}}
	}
	offers := &scheduler.Event{Type: scheduler.Event_OFFERS, Offers: &scheduler.Event_Offers{}}
	for n := range 100 {
		offers.Offers.Offers = append(offers.Offers.Offers, mesos.Offer{
			ID:          mesos.OfferID{Value: fmt.Sprint("O", n)},
			FrameworkID: mesos.FrameworkID{Value: "F"}, AgentID: mesos.AgentID{Value: fmt.Sprint("S", n)},
			Hostname: "host", Resources: []mesos.Resource{scalar("cpus", 8), scalar("mem", 16384), scalar("disk", 50000)},
		})
	}
	update := new(scheduler.Event)
	for _, line := range recorded(b) {
		if strings.Contains(string(line), "TASK_RUNNING") {
			if err := update.UnmarshalJSON(line); err != nil {
				b.Fatal(err)
			}
			break
		}
	}
	for name, event := range map[string]*scheduler.Event{"update": update, "offers": offers} {
		for _, c := range []codec{protobufCodec, jsonCodec} {
			frame := frameOf(c, event)
			payload := frame[strings.IndexByte(string(frame), '\n')+1:]
			b.Run(name+"/"+strings.TrimPrefix(c.mediaType, "application/"), func(b *testing.B) {
				b.SetBytes(int64(len(payload)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.event(payload); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
