//go:build integration

package page_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// program is a cmdq that runs a queue on its own cluster.
type program struct {
	t   *testing.T
	dir string
	site
}

// startProgram runs `cmdq --listen` with a tasks file until the test ends.
func startProgram(t *testing.T, tasks string) *program {
	t.Helper()
	p := &program{t: t, dir: t.TempDir()}
	file := filepath.Join(p.dir, "tasks.yaml")
	if err := os.WriteFile(file, []byte(tasks), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(cmdq, "--master", "local", "--tasks", file, "--state", filepath.Join(p.dir, "state"),
		"--listen", "127.0.0.1:0", "--progress", "plain", "--log-level", "error")
	server.Dir = p.dir
	p.enter, _ = startServer(t, server, server.StderrPipe, "cmdq: page ", syscall.SIGINT, 130)
	p.page, _, _ = strings.Cut(p.enter, "?token=")
	return p
}

// cmdq runs one of its verbs.
func (p *program) cmdq(verb string, args ...string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args = append([]string{verb, "--state", filepath.Join(p.dir, "state")}, args...)
	if out, err := exec.CommandContext(ctx, cmdq, args...).CombinedOutput(); err != nil {
		p.t.Fatalf("cmdq %q: %v\n%s", args, err, out)
	}
}

// submitsTask queues a command with the form of the page and reads what it wrote.
func (b *tab) submitsTask() {
	b.t.Helper()
	b.do(chromedp.Click("[data-submit]"), chromedp.WaitVisible("[name=command]"))
	b.until(`document.activeElement.name === "command"`)
	b.screenshots("program-submit")
	checkNames(b)
	b.expects("400 (Bad Request)")
	b.do(chromedp.SendKeys("[name=command]", "/bin/echo one"), chromedp.SetValue("[name=cpus]", "-1"), chromedp.SetValue("[name=mem]", "much"), chromedp.Click("#yes"))
	b.until(`[...document.querySelectorAll("#question [role=alert] p")].map((p) => p.textContent.slice(0, 29)).join("|") === 'cpus: found "-1", allowed is |mem: found "much", allowed is'`)
	b.until(`/^echo-[a-z2-7]{8}$/.test(document.querySelector("[name=id]").value)`)
	b.screenshots("program-submit-wrong")
	b.do(chromedp.SetValue("[name=command]", "echo 'ä 😀 </b>\u2028'\necho \"two\""), chromedp.SetValue("[name=cpus]", "0.01"),
		chromedp.SetValue("[name=mem]", "16MB"), chromedp.SetValue("[name=id]", "typed"), chromedp.Click("#yes"))
	b.until(`!document.getElementById("question").open && ` + notes + `.startsWith("Task typed is queued. Show it")`)
	b.screenshots("program-submitted")
	// The same once more is no other task.
	b.do(chromedp.Click("[data-submit]"), chromedp.WaitVisible("[name=command]"), chromedp.SetValue("[name=command]", "echo other"), chromedp.SetValue("[name=id]", "typed"), chromedp.Click("#yes"))
	b.expects("409 (Conflict)")
	b.until(`document.querySelector("#question [role=alert]").textContent.includes("typed")`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.getElementById("question").childElementCount === 0`)
	if text := evaluate[string](b, notes); text != "" {
		b.t.Errorf("it says %q", text)
	}

	// An answer that is late leaves alone what was opened meanwhile.
	b.do(chromedp.Evaluate(`(`+counted+`)("/v1/submit", true)`, nil))
	b.do(chromedp.Click("[data-submit]"), chromedp.WaitVisible("[name=command]"), chromedp.SetValue("[name=command]", "true"), chromedp.SetValue("[name=id]", "slow"), chromedp.Click("#yes"))
	b.until(`asked === 1 && document.querySelector("#question [role=status]").textContent === "Waiting for cmdq …"`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.getElementById("question").childElementCount === 0`)
	b.do(chromedp.Click("[data-submit]"), chromedp.WaitVisible("[name=command]"), chromedp.SendKeys("[name=command]", "draft"))
	b.do(chromedp.Evaluate(`globalThis.let()`, nil))
	b.until(notes + `.startsWith("Task slow is queued.")`)
	if draft := evaluate[string](b, `document.querySelector("#question[open] [name=command]")?.value`); draft != "draft" {
		b.t.Errorf("what was typed meanwhile became %q", draft)
	}
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.getElementById("question").childElementCount === 0 && ` + notes + `.startsWith("Task slow is queued.")`)

	// Nor is what was typed lost where the answer is a no.
	b.do(chromedp.Evaluate(`(`+counted+`)("/v1/submit", true)`, nil))
	b.do(chromedp.Click("[data-submit]"), chromedp.WaitVisible("[name=command]"), chromedp.SetValue("[name=command]", "echo <i>"), chromedp.SetValue("[name=id]", "slow"), chromedp.Click("#yes"))
	b.until(`asked === 1`)
	b.do(chromedp.KeyEvent(kb.Escape), chromedp.Evaluate(`globalThis.let()`, nil))
	b.until(notes + `.startsWith("Submit: ") && ` + notes + `.includes("The command was: echo <i>")`)
	b.do(chromedp.Click("[data-dismiss]"))
	b.open(evaluate[string](b, "location.origin") + "/#/tasks/typed")
	b.until(`document.getElementById("log")?.textContent === "ä 😀 </b>‹2028›\ntwo\n"`)
	b.do(chromedp.NavigateBack())
	b.until(heading + ` === "Tasks" && ` + rows + ` > 0`)
}

// TestProgram works with the page of a real cmdq: tasks are submitted and run, their
// logs are read, another is canceled, one that failed is run again.
func TestProgram(t *testing.T) {
	p := startProgram(t, `defaults: {cpus: 0.01, mem: 16}
tasks:
  - {id: quick, command: 'echo quick', count: 30}
  - {id: fails, command: 'echo "no such file /tmp/x-1" >&2; [ -e go ]', retries: 0, count: 3}
  - {id: later, command: 'echo never', after: [long]}
  - {id: huge, command: 'echo never', cpus: 5000}
  - {id: long, command: 'echo begun; sleep 3600'}
`)
	b := openTab(t)
	b.open(p.enter)
	state := func(id, word string) string {
		return `[...document.querySelectorAll("#tasks tbody tr")].find((r) => r.querySelector("th").textContent === "` + id + `")?.querySelector(".state").textContent === "` + word + `"`
	}
	b.until(rows + ` === 36 && location.search === ""`)
	b.until(state("quick-29", "finished"))
	b.until(state("fails-2", "failed"))
	b.until(state("long", "running"))
	b.until(`document.getElementById("failed").textContent === "3"`)
	b.screenshots("program-tasks")
	checkNames(b)

	b.submitsTask()

	p.cmdq("submit", "--id", "late", "--cpus", "0.01", "--mem", "16", "--", `echo '<b>one</b>'; until [ -e `+p.dir+`/go ]; do sleep 0.05; done; printf '\033[31mtwo\n'`)
	b.until(state("late", "running"))
	b.do(chromedp.Click(`//a[.="late"]`, chromedp.BySearch))
	b.until(`document.getElementById("log")?.textContent === "<b>one</b>\n"`)
	if err := os.WriteFile(filepath.Join(p.dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.until(`document.getElementById("log").textContent === "<b>one</b>\n^[[31mtwo\n" && document.getElementById("log-note").textContent === "That is all."`)
	b.until(`document.querySelector(".headline .state").textContent === "finished" && document.querySelector("#launches .state").textContent === "finished"`)
	b.screenshots("program-task")
	checkNames(b)

	b.open(p.page + "#/tasks/huge")
	b.until(`document.querySelector("#task .notice") !== null`)
	b.screenshots("program-waits")
	b.open(p.page + "#/tasks/later")
	b.until(`document.querySelector("#task .notice")?.innerText.includes("long")`)

	b.open(p.page + "#/tasks/long")
	b.until(`document.getElementById("log")?.textContent === "begun\n"`)
	b.do(chromedp.Click("[data-verb=cancel]"), chromedp.WaitVisible("#yes"), chromedp.Click("#yes"))
	b.until(notes + `.startsWith("Task long is canceled.")`)
	b.until(`document.querySelector(".headline .state").textContent === "killed" && document.querySelector("#launches .state").textContent === "killed"`)
	b.screenshots("program-canceled")

	b.do(chromedp.Click(`nav [data-page=failures]`))
	const group = `[...document.querySelectorAll("main tbody tr")].find((r) => r.querySelector(".lastline").textContent.startsWith("no such file"))`
	b.until(group + `?.querySelector("th").textContent.startsWith("3")`)
	b.screenshots("program-failures")
	checkNames(b)
	b.do(chromedp.Evaluate(group+`.querySelector("button").focus()`, nil), chromedp.KeyEvent("\r"), chromedp.WaitVisible("#yes"), chromedp.Click("#yes"))
	b.until(notes + `.startsWith("3 tasks are queued again.")`)
	b.do(chromedp.Click(`nav [data-page=agents]`))
	b.until(`document.querySelectorAll("main tbody tr").length === 1`)
	b.screenshots("program-agents")
	checkNames(b)

	// A slip in the tasks file is told, until it is mended.
	file := filepath.Join(p.dir, "tasks.yaml")
	right, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(right, "  - {id: slip, comand: x}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	b.until(notes + `.includes("The tasks file is not used as it is now: ") && ` + notes + `.includes("did you mean command?")`)
	b.screenshots("program-unused")
	checkNames(b)
	if err := os.WriteFile(file, right, 0o600); err != nil {
		t.Fatal(err)
	}
	b.until(`!` + notes + `.includes("The tasks file")`)
	b.open(p.page + "#/?match=fails-1")
	b.until(`document.querySelector("#tasks tbody .n")?.textContent === "2" && ` + state("fails-1", "failed"))

	b.open(p.page + "#/tasks/huge")
	b.until(`document.querySelector("[data-verb=hold]") !== null`)
	b.do(chromedp.Click("[data-verb=hold]"))
	b.until(`document.querySelector(".headline .state").textContent === "idle, held"`)
	b.do(chromedp.Click("[data-verb=release]"))
	b.until(`document.querySelector(".headline .state").textContent === "idle"`)
}
