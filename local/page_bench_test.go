package local

import (
	"fmt"
	"io"
	"net/http"
	"testing"
)

// BenchmarkPage writes the first page of a cluster that has kept 50 frameworks
// with 1,000 tasks each: what one browser asks for every 3 s.
func BenchmarkPage(b *testing.B) {
	s := &snapshot{hosts: map[string]string{}}
	for i := range 50 {
		f := &frameworkView{ID: fmt.Sprint("f", i), Name: fmt.Sprint("framework ", i)}
		for j := range 1000 {
			at := float64(1_700_000_000 + j)
			f.CompletedTasks = append(f.CompletedTasks, &taskView{ID: fmt.Sprint("task", j), Name: "a task", FrameworkID: f.ID, AgentID: "a-S0", State: "TASK_FINISHED",
				Statuses: []statusView{{State: "TASK_STARTING", Timestamp: at}, {State: "TASK_RUNNING", Timestamp: at}, {State: "TASK_FINISHED", Timestamp: at + 1}}})
		}
		s.state.Completed = append(s.state.Completed, f)
	}
	for _, query := range []string{"", "?q=task99+finished", "?sort=name&order=asc"} {
		b.Run("query"+query, func(b *testing.B) {
			for b.Loop() {
				r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/"+query, nil)
				if err != nil {
					b.Fatal(err)
				}
				p, err := homePage(s, r)
				if err == nil {
					err = pageTemplates["home"].ExecuteTemplate(io.Discard, "layout", p)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
