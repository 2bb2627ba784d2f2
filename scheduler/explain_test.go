package scheduler

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cmdq/task"
)

// TestExplain constructs situations in which a task is where it is for one reason,
// and wants that reason, with its evidence.
func TestExplain(t *testing.T) {
	clock := func(at string) string { // as a person's clock shows this time of UTC
		parsed, err := time.Parse(time.DateTime, at)
		if err != nil {
			t.Fatal(err)
		}
		return clock(parsed)
	}
	for _, tt := range []struct {
		name, play, of string // play: commands of a scenario, one a line
		code, text     string
		evidence       []string
	}{{
		name: "held",
		play: "load a; b after=a\nsubscribed\nhold b\nupdate a FINISHED", of: "b",
		code: WhyHeld, text: "it is held (cmdq release b lets it go)",
	}, {
		name: "waiting",
		play: "load a; s count=3; b after=s,a,x; x\nsubscribed\noffer o agent=a1 cpus=2 mem=200\nupdate a FINISHED\nupdate s-0 FINISHED", of: "b",
		code: WhyWaiting, text: "it waits for other tasks to finish: s (2 of its tasks), x",
	}, {
		name: "delayed",
		play: "load a\nsubscribed\noffer o agent=a1 cpus=1 mem=100\nadvance 10s\nupdate a FAILED message=Command exited with status 3", of: "a",
		code: WhyDelayed, text: "its next attempt is at " + clock("2026-01-02 03:04:16"),
		evidence: []string{"attempt 1 on host-a1: TASK_FAILED: Command exited with status 3"},
	}, {
		name: "capped by its group",
		play: "groups g max_running=2\nload a count=3 group=g; b\nsubscribed\noffer o agent=a1 cpus=9 mem=900", of: "a-2",
		code: WhyCapped, text: `group "g" runs 2, as many as it may`,
	}, {
		name: "capped by the run",
		play: "config run=max_running=1\nload a count=2\nsubscribed\noffer o agent=a1 cpus=9 mem=900", of: "a-1",
		code: WhyCapped, text: "the run runs 1, as many as it may",
	}, {
		name: "disconnected",
		play: "load a\nsubscribed\noffer o agent=a1 cpus=0.1 mem=10\ndown connection reset", of: "a",
		code: WhyDisconnected, text: "there is no connection to the master at m:5050",
		evidence: []string{"connection reset"},
	}, {
		name: "no-offers",
		play: "load a\nadvance 5s\nsubscribed\nadvance 5m", of: "a",
		code: WhyNoAgents, text: "no offer has come since " + clock("2026-01-02 03:04:10"),
		evidence: []string{"no agent may be registered, or none has anything for role *; other frameworks or a quota may hold all there is"},
	}, {
		name: "no-offers since the agent was lost",
		play: "load a cpus=2\nsubscribed\noffer o agent=a1 cpus=1 mem=100\nadvance 5s\nagent-lost a1", of: "a",
		code: WhyNoAgents, text: "no offer has come since " + clock("2026-01-02 03:04:05"),
		evidence: []string{"no agent may be registered, or none has anything for role *; other frameworks or a quota may hold all there is",
			"the last offer came 5s ago"},
	}, {
		name: "no-offers to its role",
		play: "load a role=batch; b cpus=9\nsubscribed\noffer o agent=a1 cpus=1 mem=100", of: "a",
		code: WhyNoAgents, text: "no offer to role batch has come since " + clock("2026-01-02 03:04:05") + ", only to others",
		evidence: []string{"no agent may have anything for role batch; other frameworks or a quota may hold all there is", "the last offer came 0s ago"},
	}, {
		name: "full in its role",
		play: "load a role=batch cpus=2; b cpus=9\nsubscribed\noffer o agent=a1 cpus=4 mem=50 to=batch\noffer o agent=a1 cpus=4 mem=100 to=*", of: "a",
		code: WhyFull, text: "it needs 2 cpus, 100 MB, and no agent has that free",
		evidence: []string{"host-a1: 50 of 100 MB short", "none of our tasks runs: other frameworks or a quota hold the rest", "the last offer came 0s ago"},
	}, {
		name: "too-large",
		play: "load a cpus=8 mem=500; b cpus=4\nsubscribed\noffer 1 agent=a1 cpus=4 mem=900;2 agent=a2 cpus=7.6 mem=900;3 agent=a3 cpus=8 mem=300;4 agent=a4 cpus=1 mem=1\nadvance 3s", of: "a",
		code: WhyTooLarge, text: "it needs 8 cpus, 500 MB, and none of 4 agents is large enough, however empty",
		evidence: []string{"host-a2: 0.4 of 8 cpus short", "host-a3: 200 of 500 MB short", "host-a1: 4 of 8 cpus short", "the last offer came 3s ago"},
	}, {
		name: "too-large, and the run is capped",
		play: "config run=max_running=1\nload a; b cpus=8\nsubscribed\noffer 1 agent=a1 cpus=4 mem=900\nadvance 3s", of: "b",
		code: WhyTooLarge, text: "it needs 8 cpus, 100 MB, and the only agent is too small, however empty",
		evidence: []string{"host-a1: 4 of 8 cpus short", "the last offer came 3s ago"},
	}, {
		name: "too-large, agents of one host",
		play: "load a cpus=8\nsubscribed\noffer 1 agent=x-S0 host=h cpus=4 mem=900;2 agent=x-S1 host=h cpus=6 mem=900;3 agent=x-S2 cpus=2 mem=900", of: "a",
		code: WhyTooLarge, text: "it needs 8 cpus, 100 MB, and none of 3 agents is large enough, however empty",
		evidence: []string{"h (S1): 2 of 8 cpus short", "h (S0): 4 of 8 cpus short", "host-x-S2: 6 of 8 cpus short", "the last offer came 0s ago"},
	}, {
		name: "constraint, agents of one host",
		play: "load a constraint=gpu:exists\nsubscribed\noffer 1 agent=x-S0 host=h cpus=4 mem=900;2 agent=x-S1 host=h cpus=6 mem=900", of: "a",
		code: WhyConstraint, text: "none of 2 agents meets its constraints",
		evidence: []string{"h (S0): has no gpu, wanted is gpu exists", "h (S1): has no gpu, wanted is gpu exists", "the last offer came 0s ago"},
	}, {
		name: "too-large with ports",
		play: "load a ports=3\nsubscribed\noffer 1 agent=a1 cpus=4 mem=900 ports=1-2", of: "a",
		code: WhyTooLarge, text: "it needs 1 cpus, 100 MB, 3 ports, and the only agent is too small, however empty",
		evidence: []string{"host-a1: 1 of 3 ports short", "the last offer came 0s ago"},
	}, {
		name: "too-large with its executor",
		play: "config executor=cmdq\nload a cpus=4\nsubscribed\noffer 1 agent=a1 cpus=4 mem=900", of: "a",
		code: WhyTooLarge, text: "it needs 4 cpus, 100 MB and its executor 0.1 cpus, 64 MB, and the only agent is too small, however empty",
		evidence: []string{"host-a1: 0.1 of 4.1 cpus short", "the last offer came 0s ago"},
	}, {
		name: "constraint",
		play: "load a constraint=rack==r1 constraint=gpu:exists\nsubscribed\noffer 1 agent=a1 cpus=4 mem=900 @rack=r2;2 agent=a2 cpus=4 mem=900 @rack=r1;3 agent=a3 cpus=4 mem=900 @gpu={x,y}", of: "a",
		code: WhyConstraint, text: "none of 3 agents meets its constraints",
		evidence: []string{"host-a1: rack is r2, wanted is rack == r1", "host-a2: has no gpu, wanted is gpu exists",
			"host-a3: has no rack, wanted is rack == r1", "the last offer came 0s ago"},
	}, {
		name: "resting",
		play: "load b; c; d; a cpus=3\nsubscribed\noffer 1 agent=a1 cpus=1 mem=900\nadvance 1s\nupdate b FAILED reason=CONTAINER_LAUNCH_FAILED\n" +
			"advance 10ms\noffer 2 agent=a1 cpus=1 mem=900\nadvance 1s\nupdate c FAILED reason=CONTAINER_LAUNCH_FAILED\n" +
			"hold b c\nadvance 10ms\noffer 3 agent=a1 cpus=1 mem=900;9 agent=a2 cpus=2 mem=1\nadvance 1s\nupdate d FAILED reason=CONTAINER_LAUNCH_FAILED\noffer 4 agent=a1 cpus=4 mem=900\nadvance 1m", of: "a",
		code: WhyResting, text: "the agents that it fits are left alone for now, since launches ended there before they ran",
		evidence: []string{"host-a1: until " + clock("2026-01-02 03:09:08"), "the last offer came 1m0s ago"},
	}, {
		name: "full of our tasks",
		play: "load a count=4 cpus=2; b cpus=2\nsubscribed\noffer 1 agent=a1 cpus=4 mem=900;2 agent=a2 cpus=5.5 mem=900\nadvance 2s", of: "b",
		code: WhyFull, text: "it needs 2 cpus, 100 MB, and no agent has that free",
		evidence: []string{"host-a2: 0.5 of 2 cpus short", "host-a1: 2 of 2 cpus short", "the last offer came 2s ago"},
	}, {
		name: "full of others",
		play: "load a cpus=2\nsubscribed\noffer 1 agent=a1 cpus=4 mem=50\noffer 2 agent=a1 cpus=1 mem=900", of: "a",
		code: WhyFull, text: "it needs 2 cpus, 100 MB, and no agent has that free",
		evidence: []string{"host-a1: 1 of 2 cpus short", "none of our tasks runs: other frameworks or a quota hold the rest", "the last offer came 0s ago"},
	}, {
		name: "full of ports",
		play: "load a ports=3; b ports=2\nsubscribed\noffer 1 agent=a1 cpus=4 mem=900 ports=1-4", of: "b",
		code: WhyFull, text: "it needs 1 cpus, 100 MB, 2 ports, and no agent has that free",
		evidence: []string{"host-a1: 1 of 2 ports short", "the last offer came 0s ago"},
	}, {
		name: "ready",
		play: "load a\nsubscribed\nhold a\noffer 1 agent=a1 cpus=4 mem=900\nrelease a", of: "a",
		code: WhyReady, text: "it is ready, and goes with the next offer that it fits; others may be in front of it",
	}, {
		name: "ready where its executor is",
		play: "config executor=cmdq\nload b cpus=3\nsubscribed\noffer 1 agent=a1 cpus=4 mem=900\nload b cpus=3; a cpus=0.9", of: "a",
		code: WhyReady, text: "it is ready, and goes with the next offer that it fits; others may be in front of it",
	}, {
		name: "active",
		play: "load a\nsubscribed\noffer 1 agent=a1 cpus=4 mem=900\nadvance 1s\nupdate a RUNNING\ncancel a", of: "a",
		code: WhyActive, text: "it runs on host-a1 since " + clock("2026-01-02 03:04:06"), evidence: []string{"it is being killed"},
	}, {
		name: "may-still-run",
		play: "load a\nsubscribed\noffer 1 agent=a1 cpus=4 mem=900\nupdate a RUNNING\nadvance 1m\nupdate a UNREACHABLE source=master", of: "a",
		code: WhyUnsure, text: "it may still run on host-a1: the cluster has not known since " + clock("2026-01-02 03:05:05") +
			"; a second launch is made, if it may have one, at " + clock("2026-01-02 03:15:05"),
	}, {
		name: "fetching",
		play: "load a outputs=x\nsubscribed\noffer 1 agent=a1 cpus=4 mem=900\nupdate a FINISHED", of: "a",
		code: WhyFetching, text: "its command has ended; what it left on host-a1 is being fetched",
	}, {
		name: "ended",
		play: "load a retries=0; b after=a\nsubscribed\noffer 1 agent=a1 cpus=4 mem=900\nupdate a FAILED message=Command exited with status 1", of: "b",
		code: WhyEnded, text: "it has ended: killed: it waits for other tasks: a did not finish (DEPENDENCY_FAILED)",
	}} {
		t.Run(tt.name, func(t *testing.T) {
			env := newEnv(t)
			playLines(env, tt.play)
			x := env.s.explain(env.s.queue.Get(task.ID(tt.of)))
			if x.Code != tt.code || x.Text != tt.text || !slices.Equal(x.Evidence, tt.evidence) {
				t.Errorf("%s: %s %q", x.Code, x.Text, x.Evidence)
			}
		})
	}
}

// playLines plays commands of a scenario, one a line.
func playLines(e *env, text string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		e.play(line)
	}
}

// TestExplainSuppressed: that offers are suppressed while a task waits would be a
// fault of cmdq, and is said to be.
func TestExplainSuppressed(t *testing.T) {
	env := newEnv(t)
	for _, line := range []string{"load a", "subscribed"} {
		env.play(line)
	}
	env.s.link.suppressed = true
	if x := env.s.explain(env.s.queue.Get("a")); x.Code != WhySuppressed {
		t.Errorf("%+v", x)
	}
}

// TestAgentNames: hosts, and more only where that is needed.
func TestAgentNames(t *testing.T) {
	var agents []AgentStanding
	for _, a := range [][2]string{{"u-S0", "h"}, {"u-S1", "h"}, {"u-S2", "i"}, {"v-S0", "h"}, {"u-S3", ""}, {"x-", "j"}, {"y-", "j"}} {
		agents = append(agents, AgentStanding{ID: a[0], Host: a[1]})
	}
	want := map[string]string{"u-S0": "h (u-S0)", "u-S1": "h (S1)", "u-S2": "i", "v-S0": "h (v-S0)", "u-S3": "", "x-": "j (x-)", "y-": "j (y-)"}
	if got := AgentNames(agents); !maps.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestNear: what may have been meant, nearest first, and nothing far off.
func TestNear(t *testing.T) {
	env := newEnv(t)
	env.play("load build-1; build-2; unlike; test; x; d count=5")
	for id, want := range map[string]string{
		"build-3": "build-1 build-2", "buidl-1": "build-1 build-2", "tets": "test", "tost": "test", "y": "", "": "",
		"d": "d-0 d-1 d-2", "nothing-like-it": "", "Build-1": "build-1 build-2", strings.Repeat("x", 300): "",
	} {
		var got []string
		for _, near := range env.s.near(task.ID(id)) {
			got = append(got, string(near))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("near %q: %q, want %q", id, got, want)
		}
	}
}
