package scheduler

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// rule reads a field of a task that says when and where it may run: after=a,b
// group=g ports=2 constraint=rack==r1 constraint=gpu:exists container=docker:image
// volume=/a:/b:ro label=k:v.
func (e *env) rule(spec *task.Spec, k, v string) {
	if k == "label" {
		name, value, _ := strings.Cut(v, ":")
		spec.Labels = map[string]string{name: value}
		return
	}
	if spec.Rules == nil {
		spec.Rules = &task.Rules{}
	}
	r := spec.Rules
	switch k {
	case "after":
		for name := range strings.SplitSeq(v, ",") {
			r.After = append(r.After, task.ID(name))
		}
	case "group":
		r.Group = v
	case "ports":
		r.Ports, _ = strconv.Atoi(v)
	case "constraint":
		r.Constraints = append(r.Constraints, parseConstraint(v))
	case "container":
		kind, image, _ := strings.Cut(v, ":")
		r.Container = &task.Container{Type: kind, Image: image}
	case "volume":
		host, inside, _ := strings.Cut(v, ":")
		inside, readOnly := strings.CutSuffix(inside, ":ro")
		r.Container.Volumes = append(r.Container.Volumes, task.Volume{Host: host, Container: inside, ReadOnly: readOnly})
	default:
		e.t.Fatalf("unknown field %s=%s", k, v)
	}
}

func parseConstraint(text string) task.Constraint {
	for _, op := range []task.Op{task.Is, task.IsNot} {
		if name, value, ok := strings.Cut(text, string(op)); ok {
			return task.Constraint{Attribute: name, Op: op, Value: value}
		}
	}
	name, op, _ := strings.Cut(text, ":")
	return task.Constraint{Attribute: name, Op: task.Op(op)}
}

// parseAttribute reads "r1", "~1.5" or "{a,b}".
func parseAttribute(name, v string) mesos.Attribute {
	if number, ok := strings.CutPrefix(v, "~"); ok {
		n, _ := strconv.ParseFloat(number, 64)
		return mesos.Attribute{Name: name, Type: mesos.SCALAR, Scalar: &mesos.Value_Scalar{Value: n}}
	}
	if items, ok := strings.CutPrefix(v, "{"); ok {
		return mesos.Attribute{Name: name, Type: mesos.SET, Set: &mesos.Value_Set{Item: strings.Split(strings.TrimSuffix(items, "}"), ",")}}
	}
	return mesos.Attribute{Name: name, Type: mesos.TEXT, Text: &mesos.Value_Text{Value: v}}
}

// parsePorts reads "ports" or "ports(role)", and "1-3,7-7".
func parsePorts(t *testing.T, k, v string) mesos.Resource {
	_, role, reserved := strings.Cut(strings.TrimSuffix(k, ")"), "(")
	if !reserved {
		role = "*"
	}
	ranges := &mesos.Value_Ranges{}
	for piece := range strings.SplitSeq(v, ",") {
		var r mesos.Value_Range
		if _, err := fmt.Sscanf(piece, "%d-%d", &r.Begin, &r.End); err != nil {
			t.Fatalf("ports %q: %v", v, err)
		}
		ranges.Range = append(ranges.Range, r)
	}
	return mesos.Resource{Name: "ports", Type: mesos.RANGES.Enum(), Ranges: ranges, Role: &role}
}

// groups reads "g max_running=2 max_failures=1 on_failure=cancel; h …", what the
// next load says of groups.
func (e *env) groups(text string) {
	e.policy = task.Policy{Groups: map[string]task.Group{}}
	for part := range strings.SplitSeq(text, ";") {
		if name, g := parseGroup(e.t, strings.Join(strings.Fields(part), ",")); name != "" {
			e.policy.Groups[name] = g
		}
	}
}

// parseGroup reads "name,max_running=2,max_failures=1,on_failure=cancel".
func parseGroup(t *testing.T, text string) (name string, g task.Group) {
	g.MaxFailures = task.Unlimited
	for i, f := range strings.Split(text, ",") {
		k, v, said := strings.Cut(f, "=")
		n, _ := strconv.Atoi(v)
		switch {
		case k == "max_running":
			g.MaxRunning = n
		case k == "max_failures":
			g.MaxFailures = n
		case k == "on_failure":
			g.OnFailure = task.OnFailure(v)
		case i == 0 && !said:
			name = k
		default:
			t.Fatalf("unknown bound %q", f)
		}
	}
	return name, g
}

// ask makes a change and prints its answer: ids, or --failed, --all, --label=k:v,
// --group=ID (of the failures that the task ID is among), --key=KEY (of some).
func (e *env) ask(word, text string) {
	answer := func(out Outcome) {
		fmt.Fprintf(&e.out, "answer to %s: changed %v", word, out.Changed)
		for _, n := range out.Notes {
			fmt.Fprintf(&e.out, "; %s: %s", n.ID, n.Text)
		}
		if out.Err != nil {
			fmt.Fprintf(&e.out, "; error: %v", out.Err)
		}
		fmt.Fprintln(&e.out)
	}
	if word == "submit" {
		e.step(Asked{Change: Submit{Tasks: e.load(text).Tasks}, Answer: answer})
		return
	}
	sel := e.selection(text)
	e.step(Asked{Change: map[string]Change{"hold": HoldTasks{sel}, "release": ReleaseTasks{sel}, "retry": RetryTasks{sel},
		"cancel-by": CancelTasks{sel}}[word], Answer: answer})
}

func (e *env) selection(text string) (sel Selection) {
	for _, f := range strings.Fields(text) {
		k, v, _ := strings.Cut(f, "=")
		switch k {
		case "--all":
			sel.All = true
		case "--failed":
			sel.Failed = true
		case "--label":
			name, value, _ := strings.Cut(v, ":")
			sel.Labels = map[string]string{name: value}
		case "--group":
			sel.Group = FailureKey(e.s.queue.Get(task.ID(v)))
		case "--key":
			sel.Group = v
		default:
			sel.IDs = append(sel.IDs, task.ID(f))
		}
	}
	return sel
}

func (e *env) explain(text string) {
	for _, id := range strings.Fields(text) {
		x := e.s.explain(e.s.queue.Get(task.ID(id)))
		fmt.Fprintf(&e.out, "%s: %s: %s\n", x.ID, x.Code, x.Text)
		for _, line := range x.Evidence {
			fmt.Fprintf(&e.out, "    %s\n", line)
		}
	}
}

// amount is how much a resource is: a number, or ranges.
func amount(r *mesos.Resource) string {
	if r.Scalar != nil {
		return fmt.Sprintf("%g", r.Scalar.Value)
	}
	var pieces []string
	for _, piece := range r.Ranges.Range {
		pieces = append(pieces, fmt.Sprintf("%d-%d", piece.Begin, piece.End))
	}
	return strings.Join(pieces, ",")
}

func containerText(c *mesos.ContainerInfo) string {
	if c == nil {
		return ""
	}
	out := " container=" + c.GetType().String() + ":" + c.GetDocker().GetImage() + c.GetMesos().GetImage().GetDocker().GetName()
	if c.Docker != nil {
		out += " network=" + c.Docker.GetNetwork().String()
	}
	for _, v := range c.Volumes {
		out += fmt.Sprintf(" volume=%s:%s:%s", v.GetHostPath(), v.ContainerPath, v.GetMode())
	}
	return out
}

// portsText is what a command finds of its ports in its environment.
func portsText(t *mesos.TaskInfo) (out string) {
	for _, v := range t.Command.GetEnvironment().GetVariables() {
		if strings.HasPrefix(v.Name, "PORT") {
			out += " " + v.Name + "=" + v.GetValue()
		}
	}
	if _, more, ok := strings.Cut(string(t.Data), "\n"); ok {
		out += " " + more
	}
	return out
}

// dataWith is what testExecutor tells of a launch.
func dataWith(t *task.Task, more []task.Variable) []byte {
	var words []string
	for _, v := range more {
		words = append(words, v.Name+"="+v.Value)
	}
	if len(words) == 0 {
		return []byte(t.Command())
	}
	return []byte(t.Command() + "\n" + strings.Join(words, " "))
}
