package main

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"

	"cmdq/web"
)

// hostile are the ids of tasks that try to be more than text.
var hostile = []string{`<img src=x onerror=alert(1)>`, "\u202egnp.exe\u202c"}

const hostileCommand = "echo '<script>document.title = \"owned\"</script>' \x1b[31mred\x1b[0m \x1b]0;title\x07 && echo \u202egnp.exe"

// madeUp is task i of n. The first 45 percent have ended.
func madeUp(i, n int, now time.Time, chance *rand.Rand) *web.Row {
	r := &web.Row{
		ID: fmt.Sprintf("render-%06d", i), State: "idle", Command: fmt.Sprintf("convert frames/frame-%06d.png -negate -resize 50%% out/frame-%06d.png", i, i),
		Group: fmt.Sprintf("scene-%d", i/max(1, n/20)), Labels: map[string]string{"team": []string{"red", "blue"}[i%2]},
		Submitted: stamp(now.Add(-time.Hour)),
	}
	switch {
	case i < len(hostile):
		r.ID, r.Command, r.Group = hostile[i], hostileCommand, "<b>group</b>"
	case i == n-1:
		r.ID, r.Waits = "held-last", "held"
	case i == n-2:
		r.ID, r.Waits = "waits-for-others", "waiting"
	case i == n-3:
		r.ID, r.Command = "wide-0", "make -j64 everything"
	}
	at := now.Add(-time.Hour + time.Duration(float64(i)/float64(n)*100*float64(time.Minute)))
	switch {
	case i < n*45/100:
		start(r, at, chance.IntN(4))
		end(r, at.Add(time.Duration(chance.IntN(60000))*time.Millisecond), chance.IntN(400))
	case i < n*45/100+200:
		start(r, now.Add(-time.Duration(chance.IntN(90))*time.Second), chance.IntN(4))
	}
	return r
}

func start(r *web.Row, at time.Time, host int) {
	r.State, r.Waits, r.Attempts, r.Started = "running", "", r.Attempts+1, stamp(at)
	r.Host = fmt.Sprintf("h%d.example.org", host)
	r.Ended, r.ExitCode, r.Signal, r.Reason, r.Message = "", nil, "", "", ""
}

// end ends a task as chance, from 0 to 399, has it.
func end(r *web.Row, at time.Time, chance int) {
	exit := func(code int) { r.ExitCode = &code }
	r.State, r.Ended = "finished", stamp(at)
	switch chance {
	case 0:
		r.State = "failed"
		exit(1)
		r.Message = "Command exited with status 1"
	case 1:
		r.State = "failed"
		exit(3)
		r.Message = "Command exited with status 3 \x1b[1m<i>loud</i>"
	case 2:
		r.State, r.Signal, r.Reason, r.Message = "failed", "SIGKILL", "CONTAINER_LIMITATION_MEMORY", "Memory limit exceeded: Requested: 512MB Maximum Used: 513MB"
	case 3:
		r.State, r.Reason, r.Message = "killed", "DEPENDENCY_FAILED", "it waits for other tasks: fetch-000123 did not finish"
	case 4:
		r.State, r.Reason, r.Message = "killed", "GROUP_STOPPED", "its group had 6 failures"
	case 5:
		r.State, r.Signal, r.Message = "killed", "Terminated", "Command terminated with signal Terminated"
	default:
		exit(0)
	}
}

// whole is all there is to know of a task.
func whole(r web.Row) web.Task {
	t := web.Task{
		Row: r, Name: "frame <b>" + r.ID + "</b>", Line: "frame\x1b[2J", Resources: web.Resources{CPUs: 2, Mem: 512}, Env: []string{"PATH", "FRAME", "<LANG>"},
		User: "ann", Retries: 3, Timeout: "10m", KillGrace: "3s", Files: []string{"run.sh"}, Outputs: []string{"out/*.png"}, Executor: "command",
		After: []string{"render-000412"}, Constraints: []string{"rack == r1"}, Ports: 3, Role: "science", Container: &web.Container{Image: "convert:7", Type: "mesos", Volumes: []string{"/frames:/in:ro", "/out:/out"}}, Launches: []web.Launch{},
	}
	if r.Waits == "delayed" {
		t.Wake = stamp(time.Now().Add(20 * time.Second))
	}
	if r.State == "failed" {
		t.Charged = r.Attempts - 1
		t.Stderr = "convert: no such file /mnt/frames/frame-000123.png\n\x1b[31m<b>error</b>\x1b[0m/convert.c/3351\n"
	}
	for n := 1; n <= r.Attempts; n++ {
		l := web.Launch{Number: n, ID: fmt.Sprintf("%s.%d", r.ID, n), Agent: "b1c5e7a0-S1", Host: r.Host, Framework: "b1c5e7a0-0000", State: "TASK_RUNNING"}
		if at, err := time.Parse(time.RFC3339, r.Started); err == nil {
			l.Queued, l.Offered, l.Starting, l.Running = stamp(at.Add(-2*time.Second)), stamp(at.Add(-230*time.Millisecond)), stamp(at.Add(-60*time.Millisecond)), r.Started
			l.Ports = []int{31000, 31001, 31007}
		}
		switch {
		case n < r.Attempts:
			code := 1
			l.State, l.Ended, l.ExitCode, l.Message = "TASK_FAILED", r.Started, &code, "Command exited with status 1"
		case r.Ended != "":
			l.State, l.Ended, l.ExitCode, l.Signal, l.Reason, l.Message = "TASK_"+map[string]string{"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}[r.State], r.Ended, r.ExitCode, r.Signal, r.Reason, r.Message
			l.Sandbox = "http://10.0.0.1:5050/#/agents/b1c5e7a0-S1/frameworks/b1c5e7a0-0000/executors/" + url.PathEscape(l.ID) + "/browse"
		}
		t.Launches = append(t.Launches, l)
	}
	return t
}
