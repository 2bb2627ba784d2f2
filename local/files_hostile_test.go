package local

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib"
)

// TestSandboxIsALink: a task can put a link in the place of its own sandbox, or
// of a directory above it; what that leads to is not read.
func TestSandboxIsALink(t *testing.T) {
	outside := t.TempDir()
	writeFile(t, filepath.Join(outside, "secret"), "secret")
	for name, up := range map[string]int{"sandbox": 0, "runs": 1, "executor": 2} {
		t.Run(name, func(t *testing.T) {
			c := startCluster(t, Config{})
			s := subscribe(t, c, codecProtobuf, modern)
			o := s.offer()
			s.accept(0, []mesos.Offer{o}, command1("t1", o, "true"))
			s.until("t1", mesos.TASK_FINISHED)
			sandbox, err := filepath.EvalSymlinks(Sandbox(c.cfg.WorkDir, o.AgentID.Value, s.id, "t1"))
			if err != nil {
				t.Fatal(err)
			}
			place, inside := sandbox, outside
			for range up {
				place, inside = filepath.Dir(place), t.TempDir()
			}
			rel, err := filepath.Rel(place, sandbox)
			if err != nil {
				t.Fatal(err)
			}
			if up > 0 { // the rest of the path is there too
				if err := os.MkdirAll(filepath.Join(inside, rel), 0o700); err != nil {
					t.Fatal(err)
				}
				writeFile(t, filepath.Join(inside, rel, "secret"), "secret")
			}
			if err := os.Rename(place, place+".away"); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(inside, place); err != nil {
				t.Fatal(err)
			}
			run := "/frameworks/" + s.id + "/executors/t1/runs/" + filepath.Base(sandbox)
			page := "http://" + c.Addr() + sandboxPage(s.id, "t1", "") + "/download?run=" + filepath.Base(sandbox) + "&path=secret"
			agent := "http://" + c.Agents()[0].Addr + "/files/"
			for _, address := range []string{
				agent + "read?offset=0&path=" + url.QueryEscape(run+"/secret"), agent + "download?path=" + url.QueryEscape(run+"/secret"),
				agent + "browse?path=" + url.QueryEscape(run), page,
			} {
				if status, _, body := ask(t, http.MethodGet, address, ""); status != http.StatusBadRequest {
					t.Errorf("%s: %d %s, want 400", address, status, body)
				}
			}
		})
	}
}
