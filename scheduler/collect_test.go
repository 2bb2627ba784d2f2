package scheduler

import (
	"fmt"
	"strings"
	"testing"

	"cmdq/task"
)

// TestForgottenLaunchFinishes: a launch that was given up so long ago that the task
// does not remember it finishes after all. Its outputs are fetched, and also by the
// next start if this one ends before that.
func TestForgottenLaunchFinishes(t *testing.T) {
	e := newEnv(t)
	for _, line := range []string{
		"load a outputs=x retries=-1", "subscribed", "offer o1 agent=a1 cpus=1 mem=100", "update a RUNNING",
		"update a UNREACHABLE source=master", "advance 11m",
	} {
		e.play(line)
	}
	for n := 2; n < 4+task.MaxHistory; n++ {
		e.play(fmt.Sprintf("offer p%d agent=a2 cpus=1 mem=100", n))
		e.play(fmt.Sprintf("update a.%d FAILED agent=a2 message=Command exited with status 1", n))
		e.play("advance 70s")
	}
	if a := e.s.queue.Get("a"); a.Attempt(1) != nil || a.State != task.Idle {
		t.Fatalf("a remembers its first launch, or is not idle: %+v", a)
	}
	const want = "collect a #1 on a1 x +last"
	e.out.Reset()
	e.play("update a FINISHED message=Command exited with status 0")
	if !strings.Contains(e.out.String(), want) {
		t.Errorf("it finished:\n%s", e.out.String())
	}
	e.out.Reset()
	e.play("restart")
	if !strings.Contains(e.out.String(), want) {
		t.Errorf("after a restart:\n%s", e.out.String())
	}
	e.play("collected a 1 last")
	if a := e.s.queue.Get("a"); a.State != task.Finished || a.End.Launch != 1 {
		t.Errorf("a is %s by launch %d", a.State, a.End.Launch)
	}
}
