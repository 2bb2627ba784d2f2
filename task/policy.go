package task

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Bounds of a policy.
const (
	maxGroups     = 10_000
	maxNotices    = 10 // of one end
	maxNoticeText = 64 << 10
)

var (
	runningSpan  = newSpan(1, math.MaxInt32)
	failuresSpan = newSpan(-1, math.MaxInt32)
)

// Group is what holds for a group: nothing if the file does not name it.
func (p *Policy) Group(name string) Group {
	if g, ok := p.Groups[name]; ok {
		return g
	}
	return Group{MaxFailures: Unlimited}
}

// groups reads the bounds of groups by name.
func (r *reader) groups(n *yaml.Node) map[string]Group {
	const allowed = "a map of names to maps with max_running or max_failures"
	if d := deref(n); d.Kind == yaml.ScalarNode && d.Tag == "!!null" {
		return nil // all its lines are commented out
	}
	found, ok := r.entries("groups", n, allowed)
	if !ok || len(found) == 0 {
		return nil
	}
	if len(found) > maxGroups {
		r.fail(deref(n), "groups: found %d, allowed are at most %d", len(found), maxGroups)
		return nil
	}
	groups := make(map[string]Group, len(found))
	for _, e := range slices.Clone(found) { // the walk goes on to other maps
		name := r.groupName("groups", e.key)
		g := r.group(e.name, e.value)
		if name != "" {
			groups[name] = g
		}
	}
	return groups
}

// groupUse is where a group is named by a task.
type groupUse struct {
	line int
	task string
}

// groupsEnd checks that the groups of tasks are among those of the file, if that
// has some: one that is mistyped would have no bounds, and nobody would know. A
// file without groups may have them only to find tasks by.
func (r *reader) groupsEnd() {
	if len(r.policy.Groups) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(r.policy.Groups))
	for _, name := range slices.Sorted(maps.Keys(r.groupUses)) {
		if _, ok := r.policy.Groups[name]; ok {
			continue
		}
		near := ""
		if r.looks += len(names); r.looks <= maxLook {
			near = nearest(name, names)
		}
		what := "; write " + name + ": {} there if it has no bounds"
		if near != "" {
			what = ", did you mean " + near + "?"
		}
		use := r.groupUses[name]
		r.task = use.task
		r.failLine(use.line, "group: found "+quote(name, 60)+", which is not in groups"+what)
	}
	r.task = ""
}

func (r *reader) group(name string, n *yaml.Node) Group {
	g := Group{MaxFailures: Unlimited}
	found, ok := r.entries("groups "+quote(name, 60), n, "a map with max_running or max_failures")
	if !ok {
		return g
	}
	var failures, follows *yaml.Node
	for _, e := range slices.Clone(found) {
		field := fmt.Sprintf("groups %s %s", quote(name, 60), e.name)
		switch e.name {
		case "max_running":
			g.MaxRunning = int(r.whole(field, e.value, runningSpan))
		case "max_failures":
			failures = e.value
			g.MaxFailures = int(r.whole(field, e.value, failuresSpan))
		case "on_failure":
			follows = e.value
			g.OnFailure = r.onFailure(field, e.value)
		case "on_finish":
			g.Finish = r.notices(field, e.value)
		case "on_first_failure":
			g.Failure = r.notices(field, e.value)
		default:
			r.unknown(e.key, []string{"max_running", "max_failures", "on_failure", "on_finish", "on_first_failure"})
		}
	}
	if follows != nil && failures == nil {
		r.fail(follows, "groups %s on_failure: found it without max_failures, after which it would be done, write max_failures: 0 where the first one counts", quote(name, 60))
	}
	return g
}

func (r *reader) onFailure(field string, n *yaml.Node) OnFailure {
	const allowed = "continue, stop (nothing of the group is launched any more) or cancel (what runs of it is ended, too); who is told stands in on_first_failure"
	s, ok := r.scalar(field, n, allowed)
	if !ok {
		return ""
	}
	switch f := OnFailure(s); f {
	case Continue, StopGroup, CancelGroup:
		return f
	}
	r.wrong(deref(n), field, allowed)
	return ""
}

const allowedNotice = "a shell command, {command: a shell command}, {url: an address that gets a POST}, or a list of them"

// notices reads who is told of an end: one or a list.
func (r *reader) notices(field string, n *yaml.Node) []Notice {
	items := []*yaml.Node{n}
	if d := deref(n); d.Kind == yaml.SequenceNode {
		var ok bool
		if items, ok = r.items(field, n, allowedNotice); !ok {
			return nil
		}
		if len(items) > maxNotices {
			r.fail(d, "%s: found %d, allowed are at most %d", field, len(items), maxNotices)
			return nil
		}
	}
	var list []Notice
	for _, item := range items {
		if o, ok := r.notice(field, item); ok {
			list = append(list, o)
		}
	}
	return list
}

func (r *reader) notice(field string, n *yaml.Node) (o Notice, ok bool) {
	n = deref(n)
	if n.Kind != yaml.MappingNode {
		switch OnFailure(n.Value) {
		case Continue, StopGroup, CancelGroup: // as a group has them
			r.fail(n, "%s: found %s, which only groups may have, allowed is %s", field, quote(n.Value, 60), allowedNotice)
			return o, false
		}
		o.Command = r.noticeCommand(field, n)
		return o, o.Command != ""
	}
	found, ok := r.entries(field, n, allowedNotice)
	if !ok {
		return o, false
	}
	entries := slices.Clone(found)
	for _, e := range entries {
		switch e.name {
		case "command":
			o.Command = r.noticeCommand(field+" command", deref(e.value))
		case "url":
			o.URL = r.noticeURL(field+" url", deref(e.value))
		default:
			r.unknown(e.key, []string{"command", "url"})
		}
	}
	if has := len(entries); has != 1 {
		r.fail(n, "%s: found %d fields, allowed is one: command or url", field, has)
	}
	return o, o != Notice{}
}

func (r *reader) noticeCommand(field string, n *yaml.Node) string {
	s, ok := r.scalar(field, n, allowedNotice)
	switch {
	case !ok:
		return ""
	case strings.TrimSpace(s) == "":
		r.fail(n, "%s: found an empty text, allowed is a shell command", field)
		return ""
	case len(s) > maxNoticeText:
		r.fail(n, "%s: found %d bytes, allowed are at most %d", field, len(s), maxNoticeText)
		return ""
	}
	return s
}

// noticeURL reads an address. It may hold a secret, so that no error shows it.
func (r *reader) noticeURL(field string, n *yaml.Node) string {
	const allowed = "an address that begins with http:// or https://"
	s, ok := r.scalar(field, n, allowed)
	if !ok {
		return ""
	}
	if !isNoticeURL(s) {
		r.fail(n, "%s: found something else, allowed is %s, of at most %d bytes", field, allowed, maxPath)
		return ""
	}
	return s
}

func isNoticeURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && len(s) <= maxPath
}

// ParseNotice reads who is told of an end from a flag: an address is what begins
// as one. The error does not show it.
func ParseNotice(text string) (Notice, error) {
	lower := strings.ToLower(text)
	switch {
	case strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://"):
		if !isNoticeURL(text) {
			return Notice{}, fmt.Errorf("want an address of at most %d bytes that begins with http:// or https:// and a host", maxPath)
		}
		return Notice{URL: text}, nil
	case strings.TrimSpace(text) == "":
		return Notice{}, errors.New("want a shell command, or an address that begins with http:// or https://")
	case len(text) > maxNoticeText:
		return Notice{}, fmt.Errorf("want a shell command of at most %d bytes", maxNoticeText)
	}
	return Notice{Command: text}, nil
}
