package task

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAfterErrors(t *testing.T) {
	tests := []struct{ name, tasks, want string }{
		{"unknown", "- {id: a, command: x, after: b}", `f:3: task "a": after: found "b", which is no task of this file`},
		{"mistyped", "- {id: first, command: x}\n- id: a\n  command: x\n  after:\n  - first\n  - frist\n", `f:8: task "a": after: found "frist", which is no task of this file, did you mean first?`},
		{"no such number", "- {id: s, command: x, count: 3}\n- {id: a, command: x, after: [s-2, s-3]}", `f:4: task "a": after: found "s-3", which is no task of this file, did you mean s?`},
		{"leading zero", "- {id: s, command: x, count: 3}\n- {id: a, command: x, after: [s-02]}", `f:4: task "a": after: found "s-02", which is no task of this file`},
		{"itself", "- {id: a, command: x, after: a}", `f:3: task "a": after: found the task itself, allowed are others`},
		{"one of its own", "- {id: a, command: x, after: a-1, count: 3}", `f:3: task "a": after: found the task itself, allowed are others`},
		{"two", "- {id: a, command: x, after: b}\n- id: b\n  command: x\n  after: a\n", `f:6: task "b": after: found a circle: b waits for a, a for b; allowed is an order in which all can run`},
		{"three, from outside", "- {id: o, command: x, after: a}\n- {id: a, command: x, after: b}\n- {id: b, command: x, after: [z, c-2]}\n- {id: c, command: x, each: [p, q], after: a}\n- {id: z, command: x}\n",
			`f:6: task "c": after: found a circle: c waits for a, a for b, b for c; allowed is an order in which all can run`},
		{"defaults", "- {id: a, command: x}\n- {id: b, command: x, after: []}\ndefaults: {cpus: 1, mem: 1, after: [b, a]}\n",
			`f:5: task "a": after: found the task itself, allowed are others`},
		{"unknown in defaults", "- {id: a, command: x}\n- {id: b, command: x}\ndefaults: {cpus: 1, mem: 1, after: c}\n", `f:5: after: found "c", which is no task of this file`},
	}
	for _, tt := range tests {
		head := listHead
		if strings.Contains(tt.tasks, "defaults") {
			head = "\ntasks:\n"
		}
		_, err := Parse("f", []byte(head+tt.tasks))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s:\ngot  %v\nwant %s", tt.name, err, tt.want)
		}
	}
}

// TestManyCircles: a file of nothing but circles is told of some of them.
func TestManyCircles(t *testing.T) {
	var text strings.Builder
	text.WriteString(listHead)
	const n = 1000
	for i := range n {
		fmt.Fprintf(&text, "- {id: a%d, command: x, after: [a%d, a%d]}\n", i, (i+1)%n, (i+n-1)%n)
	}
	_, err := Parse("f", []byte(text.String()))
	list, ok := err.(Errors)
	if !ok || len(list) != maxCircles || !strings.Contains(list[0].What, "found a circle") {
		t.Errorf("%d errors, want %d: %.300v", len(list), maxCircles, err)
	}
	for _, e := range list {
		if len(e.What) > 300 {
			t.Errorf("an error of %d bytes: %s", len(e.What), e.What)
		}
	}
}

// TestKnown: what is given to a queue may wait for what is there already.
func TestKnown(t *testing.T) {
	text := []byte(listHead + "- {id: a, command: x, after: [b, there, there-3]}\n- {id: b, command: x}\n")
	asked := ""
	known := func(name ID) bool { asked += string(name) + " "; return strings.HasPrefix(string(name), "there") }
	f, err := ParseWith("f", text, Outside{Known: known})
	if err != nil || asked != "there there-3 " || !slices.Equal(f.Specs[0].Rules.After, []ID{"b", "there", "there-3"}) {
		t.Errorf("asked of %q: %v", asked, err)
	}
	if _, err := ParseWith("f", text, Outside{Known: func(ID) bool { return false }}); err == nil {
		t.Error("no error though nothing is known")
	}
}

// TestFolder: paths may begin elsewhere than where the file is.
func TestFolder(t *testing.T) {
	var asked []string
	_, err := ParseWith("/sent/f", []byte(listHead+"- {id: a, command: x, each_line: l, files: [b, /c]}\n"), Outside{Folder: "/home/ann",
		List: func(path string) ([]byte, error) { asked = append(asked, path); return []byte("x\n"), nil },
		Look: func(path string) (bool, error) { asked = append(asked, path); return false, nil }})
	slices.Sort(asked)
	if got := strings.Join(asked, " "); err != nil || got != "/c /home/ann/b /home/ann/l" {
		t.Errorf("asked for %s: %v", got, err)
	}
}

// TestCirclesLikeTheObviousSearch: a file is refused exactly if tasks that wait
// only for tasks that can run, again and again, are not all of them.
func TestCirclesLikeTheObviousSearch(t *testing.T) {
	refused := 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 0))
		n := 2 + r.IntN(7)
		var text strings.Builder
		text.WriteString("defaults: {cpus: 1, mem: 1")
		if r.IntN(4) == 0 {
			fmt.Fprintf(&text, ", after: @a%d", r.IntN(n))
		}
		text.WriteString("}\ntasks:\n")
		for i := range n {
			series := ""
			if i%2 == 0 { // a0, a2, … are series, and may be named by their tasks
				series = ", count: 2"
			}
			var after []string
			for j := range n {
				if r.IntN(n) == 0 && (j < i || r.IntN(3) == 0) {
					name := fmt.Sprintf("@a%d", j)
					if j%2 == 0 && r.IntN(2) == 0 {
						name += "-1"
					}
					after = append(after, name)
				}
			}
			if len(after) > 0 || r.IntN(2) == 0 {
				series += ", after: [" + strings.Join(after, ", ") + "]"
			}
			fmt.Fprintf(&text, "- {id: a%d, command: x%s}\n", i, series)
		}
		f, err := Parse("f", []byte(strings.ReplaceAll(text.String(), "@", "")))
		if err != nil && !strings.Contains(err.Error(), "found a circle") && !strings.Contains(err.Error(), "itself") {
			t.Fatalf("seed %d: %v\n%s", seed, err, text.String())
		}
		if err != nil {
			refused++
			// The same file with all that is waited for unknown to it, and so no circles.
			renamed := strings.ReplaceAll(text.String(), "@", "k_")
			if f, err = ParseWith("f", []byte(renamed), Outside{Known: func(ID) bool { return true }}); err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, renamed)
			}
			if allCanRun(f) {
				t.Errorf("seed %d: refused, but all can run:\n%s", seed, text.String())
			}
		} else if !allCanRun(f) {
			t.Errorf("seed %d: not refused, but not all can run:\n%s", seed, text.String())
		}
	}
	if refused < 50 || refused > 350 {
		t.Errorf("%d of 400 files are refused: they are too much alike", refused)
	}
}

func allCanRun(f *File) bool {
	tasks := f.Tasks(time.Time{})
	done := map[ID]bool{}
	for range tasks {
		for _, one := range tasks {
			ok := true
			if one.Spec.Rules != nil {
				for _, name := range one.Spec.Rules.After {
					name = ID(strings.TrimPrefix(string(name), "k_"))
					for _, other := range tasks {
						if other.ID == name || other.Spec.ID == name {
							ok = ok && done[other.ID]
						}
					}
				}
			}
			done[one.ID] = done[one.ID] || ok
		}
	}
	for _, one := range tasks {
		if !done[one.ID] {
			return false
		}
	}
	return true
}

// TestLongChain: a way of many tasks costs each of them little memory, however
// long it is: the search for circles copies no part of it.
func TestLongChain(t *testing.T) {
	const n, most = 30_000, 5 << 10 // bytes a task
	var text strings.Builder
	text.WriteString(listHead)
	for i := range n - 1 {
		fmt.Fprintf(&text, "- {id: a%d, command: x, after: a%d}\n", i, i+1)
	}
	fmt.Fprintf(&text, "- {id: a%d, command: x}\n", n-1)
	file := []byte(text.String())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Parse("f", file); err != nil {
		t.Fatalf("%.300v", err)
	}
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) / n; took > most {
		t.Errorf("each of %d tasks took %d bytes of memory", n, took)
	}
}

// TestAfterInAnyOrder: what a task waits for is a set.
func TestAfterInAnyOrder(t *testing.T) {
	for _, tt := range []struct {
		a, b []ID
		same bool
	}{
		{nil, nil, true},
		{[]ID{"v", "w"}, []ID{"w", "v"}, true},
		{[]ID{"v", "w"}, []ID{"v", "w"}, true},
		{[]ID{"v", "w"}, []ID{"v"}, false},
		{[]ID{"v", "w"}, []ID{"v", "x"}, false},
		{nil, []ID{"v"}, false},
	} {
		a, b := &Rules{After: tt.a}, &Rules{After: tt.b}
		if a.Equal(b) != tt.same || b.Equal(a) != tt.same {
			t.Errorf("%v and %v: %v, want %v", tt.a, tt.b, !tt.same, tt.same)
		}
	}
	if names := []ID{"w", "v"}; !(&Rules{After: names}).Equal(&Rules{After: []ID{"v", "w"}}) || names[0] != "w" {
		t.Errorf("to compare changed the order: %v", names)
	}
}
