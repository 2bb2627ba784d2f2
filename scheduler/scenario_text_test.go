package scheduler

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	sched "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/sirupsen/logrus"

	"cmdq/task"
)

func (e *env) print(eff Effects) {
	at := e.now.Sub(e.start).Round(time.Millisecond)
	for _, r := range eff.Records {
		fmt.Fprintf(&e.out, "%s record %s %s\n", at, r.Kind, subject(r))
	}
	for _, c := range eff.Calls {
		fmt.Fprintf(&e.out, "%s call %s\n", at, describe(c))
	}
	for _, c := range eff.Collections {
		fmt.Fprintf(&e.out, "%s collect %s\n", at, describeCollection(c))
	}
	for _, n := range eff.Notes {
		if e.quiet || n.Level == logrus.DebugLevel {
			continue
		}
		who := ""
		if id, ok := n.Fields["task"]; ok {
			who = fmt.Sprintf(" %s:", id)
			if a, ok := n.Fields["attempt"]; ok {
				who = fmt.Sprintf(" %s #%d:", id, a)
			}
		}
		if tail, ok := n.Fields["stderr"]; ok {
			who = fmt.Sprintf("%s stderr=%q:", who, tail)
		}
		fmt.Fprintf(&e.out, "%s %s%s %s\n", at, n.Level, who, n.Text)
	}
	for _, answer := range eff.Answers {
		answer()
	}
	if eff.Over != nil {
		names := [...]string{"drained", "interrupted", "no master", "refused", "detached"}
		fmt.Fprintf(&e.out, "%s over: %s, torn down: %v %s\n", at, names[eff.Over.Why], eff.Over.Torn, eff.Over.Message)
	}
}

// subject is what a record is about.
func subject(r Record) string {
	switch {
	case r.Task != nil:
		return string(r.Task.ID)
	case r.Framework != nil:
		return r.Framework.ID
	case r.Launch != nil:
		return r.Launch.ID
	case r.Notice != nil:
		return fmt.Sprintf("%q of %s", r.Notice.To.Command, groupWords(r.Notice.Group))
	case r.Delivery != nil:
		return r.Delivery.ID
	case r.Kind == Applied:
		return "file " + r.File
	}
	return "the run"
}

func describe(c *sched.Call) string {
	ids := func(offers []mesos.OfferID) string {
		var out []string
		for _, o := range offers {
			out = append(out, o.Value)
		}
		return strings.Join(out, ",")
	}
	switch c.Type {
	case sched.Call_SUBSCRIBE:
		return fmt.Sprintf("SUBSCRIBE as %s suppressed=%v", c.FrameworkID.Value, c.Subscribe.SuppressedRoles)
	case sched.Call_ACCEPT:
		out := fmt.Sprintf("ACCEPT %s refuse=%gs:", ids(c.Accept.OfferIDs), *c.Accept.Filters.RefuseSeconds)
		for _, op := range c.Accept.Operations {
			for _, t := range op.Launch.TaskInfos {
				out += " " + t.TaskID.Value + "("
				for i, r := range t.Resources {
					if i > 0 {
						out += " "
					}
					out += r.Name + "=" + amount(&r)
					if r.GetRole() != "*" {
						out += "@" + r.GetRole()
					}
				}
				if x := t.Executor; x != nil {
					out += " in " + x.ExecutorID.Value
				}
				out += containerText(t.Container) + portsText(&t)
				out += ")"
			}
		}
		return out
	case sched.Call_DECLINE:
		return fmt.Sprintf("DECLINE %s refuse=%gs", ids(c.Decline.OfferIDs), *c.Decline.Filters.RefuseSeconds)
	case sched.Call_KILL:
		out := fmt.Sprintf("KILL %s on %s", c.Kill.TaskID.Value, c.Kill.AgentID.Value)
		if p := c.Kill.KillPolicy; p != nil {
			out += fmt.Sprintf(" grace=%s", time.Duration(p.GracePeriod.Nanoseconds))
		}
		return out
	case sched.Call_ACKNOWLEDGE:
		return fmt.Sprintf("ACKNOWLEDGE %s %d", c.Acknowledge.TaskID.Value, c.Acknowledge.UUID[15])
	case sched.Call_SHUTDOWN:
		return fmt.Sprintf("SHUTDOWN %s on %s", c.Shutdown.ExecutorID.Value, c.Shutdown.AgentID.Value)
	case sched.Call_RECONCILE:
		var out []string
		for _, t := range c.Reconcile.Tasks {
			out = append(out, t.TaskID.Value+"@"+t.AgentID.GetValue())
		}
		return "RECONCILE " + strings.Join(out, " ")
	}
	return c.Type.String()
}

func describeCollection(c Collection) string {
	out := fmt.Sprintf("%s #%d on %s", c.Task, c.Attempt.Number, c.Attempt.Agent)
	if c.Attempt.Executor != "" {
		out += " in " + c.Attempt.Executor
	}
	for _, o := range c.Outputs {
		out += " " + o.Path
	}
	for _, part := range []struct {
		is   bool
		name string
	}{{c.Tail, "tail"}, {c.Keep, "keep"}, {c.Last, "last"}} {
		if part.is {
			out += " +" + part.name
		}
	}
	return out
}

func (e *env) show(rest string) {
	for _, id := range strings.Fields(rest) {
		t := e.s.queue.Get(task.ID(id))
		if t == nil {
			fmt.Fprintf(&e.out, "%s is unknown\n", id)
			continue
		}
		fmt.Fprintf(&e.out, "%s %s launches=%d attempts=%d charged=%d infra=%d", id, t.State, t.Launches, t.Attempts, t.Charged, t.Infra)
		if a := t.Current(); a != nil && t.State.Active() && !a.MayStillRun.IsZero() {
			fmt.Fprintf(&e.out, " may-still-run")
		}
		if t.End != nil {
			fmt.Fprintf(&e.out, " end[launch=%d reason=%s exit=%s message=%s]", t.End.Launch, t.End.Reason, exitText(t.End.Exit), t.End.Message)
		}
		fmt.Fprintln(&e.out)
	}
}

func exitText(x task.Exit) string {
	switch {
	case !x.Known:
		return "?"
	case x.Signal != "":
		return x.Signal
	}
	return strconv.Itoa(x.Code)
}

// parseOffer reads "o1 agent=a1 cpus=4 mem=1000 cpus(role)=1".
func parseOffer(t *testing.T, text string) mesos.Offer {
	fields := strings.Fields(text)
	o := mesos.Offer{ID: mesos.OfferID{Value: fields[0]}, FrameworkID: mesos.FrameworkID{Value: "f-1"}}
	for _, f := range fields[1:] {
		k, v, _ := strings.Cut(f, "=")
		if k == "agent" {
			o.AgentID.Value, o.Hostname = v, "host-"+v
			continue
		}
		if k == "host" { // if it is not of its own
			o.Hostname = v
			continue
		}
		if k == "to" { // the role that it is offered to
			o.AllocationInfo = &mesos.Resource_AllocationInfo{Role: &v}
			continue
		}
		if k == "arch" {
			o.Attributes = append(o.Attributes, mesos.Attribute{Name: k, Type: mesos.TEXT, Text: &mesos.Value_Text{Value: v}})
			continue
		}
		if a, ok := strings.CutPrefix(k, "@"); ok {
			o.Attributes = append(o.Attributes, parseAttribute(a, v))
			continue
		}
		if name, _, _ := strings.Cut(k, "("); name == "ports" && strings.Contains(v, "-") {
			o.Resources = append(o.Resources, parsePorts(t, k, v))
			continue
		}
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			t.Fatalf("offer %q: %v", text, err)
		}
		name, role, reserved := strings.Cut(strings.TrimSuffix(k, ")"), "(")
		if !reserved {
			role = "*"
		}
		o.Resources = append(o.Resources, mesos.Resource{Name: name, Type: mesos.SCALAR.Enum(),
			Scalar: &mesos.Value_Scalar{Value: n}, Role: &role})
	}
	return o
}
