package task

import "fmt"

// waitGraph is which spec waits for which, to find those that wait for
// themselves. All tasks of a series wait for the same, so that it is enough to
// look at specs: a task that waits for one of its own series waits for itself too.
type waitGraph struct {
	*report
	waits   []wait         // those of one spec stand together
	targets []*Spec        // of waits; nil where it is not in the file
	first   map[*Spec]int  // the first wait of a spec that has any
	path    map[*Spec]bool // those that were seen: whether they are on the way that is searched now
	said    int
}

// visit is a spec on the way, and the wait that is looked at next.
type visit struct {
	spec *Spec
	at   int
}

// maxCircles bounds how many are told.
const maxCircles = 10

// search looks from s on for a way back to where it has been.
func (g *waitGraph) search(s *Spec) {
	way := g.enter(nil, s)
	for len(way) > 0 && g.said < maxCircles {
		v := &way[len(way)-1]
		i := v.at
		if i == len(g.waits) || g.waits[i].spec != g.waits[g.first[v.spec]].spec {
			g.path[v.spec] = false
			way = way[:len(way)-1]
			continue
		}
		v.at++
		if t := g.targets[i]; g.path[t] {
			g.circle(way, t, g.waits[i].line)
		} else if t != nil {
			way = g.enter(way, t)
		}
	}
}

// enter puts a spec at the end of the way, if it was not seen before and waits
// for anything.
func (g *waitGraph) enter(way []visit, s *Spec) []visit {
	first, waits := g.first[s]
	if _, seen := g.path[s]; seen || !waits {
		return way
	}
	g.path[s] = true
	return append(way, visit{s, first})
}

// circle notes that the last of the way waits for s, which is on it.
func (g *waitGraph) circle(way []visit, s *Spec, line int) {
	g.said++
	from := len(way) - 1
	for way[from].spec != s {
		from--
	}
	last := way[len(way)-1].spec
	what := "after: found the task itself, allowed are others"
	if last != s {
		const most = 6
		what = fmt.Sprintf("after: found a circle: %s waits for %s", last.ID, s.ID)
		for i := from; i < len(way)-1; i++ {
			if i-from == most {
				what += fmt.Sprintf(" … (%d tasks in all)", len(way)-from)
				break
			}
			what += fmt.Sprintf(", %s for %s", way[i].spec.ID, way[i+1].spec.ID)
		}
		what += "; allowed is an order in which all can run"
	}
	g.task = string(last.ID)
	g.failLine(line, what)
	g.task = ""
}
