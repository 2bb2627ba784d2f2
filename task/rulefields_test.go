package task

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestRules: what a task says of when and where it runs.
func TestRules(t *testing.T) {
	tests := []struct {
		fields string
		want   *Rules
	}{
		{"", nil},
		{"after: [], constraints: [], ports: 0", nil},
		{"after: z", &Rules{After: []ID{"z"}}},
		{"after: [z, y-1, y]", &Rules{After: []ID{"z", "y-1", "y"}}},
		{"group: g.1-x_", &Rules{Group: "g.1-x_"}},
		{"ports: 1000", &Rules{Ports: 1000}},
		{"role: a/b", &Rules{Role: "a/b"}},
		{"role: '*'", &Rules{Role: "*"}},
		{"constraints: ['rack == r1', 'rack!=r 2 ', hostname == h1.example.com, gpu exists, ' ssd  absent', 'a.b-c/d == x == y']", &Rules{Constraints: []Constraint{
			{"rack", Is, "r1"}, {"rack", IsNot, "r 2"}, {"hostname", Is, "h1.example.com"}, {"gpu", Exists, ""}, {"ssd", Absent, ""}, {"a.b-c/d", Is, "x == y"}}}},
		{"constraints: [exists == exists, absent exists]", &Rules{Constraints: []Constraint{{"exists", Is, "exists"}, {"absent", Exists, ""}}}},
		{"container: {image: alpine}", &Rules{Container: &Container{Type: "mesos", Image: "alpine"}}},
		{"container: {type: docker, image: 'r.io:5000/a/b:3.20@sha256:0f', volumes: ['/a b:/c/', '/d:/e:ro', '/d/./f:/g:rw']}", &Rules{Container: &Container{
			Type: "docker", Image: "r.io:5000/a/b:3.20@sha256:0f", Volumes: []Volume{{"/a b", "/c", false}, {"/d", "/e", true}, {"/d/f", "/g", false}}}}},
	}
	for _, tt := range tests {
		f := parse(t, listHead+"- {id: z, command: x}\n- {id: y, command: x, each: [p, q]}\n- {id: a, command: x, "+tt.fields+"}\n")
		got := f.Specs[len(f.Specs)-1].Rules
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.fields, got, tt.want)
		}
		if got == nil {
			continue
		}
		if got.Container != nil {
			for _, v := range got.Container.Volumes {
				if again, ok := parseVolume(v.String()); !ok || again != v {
					t.Errorf("%v is read back as %v", v, again)
				}
			}
		}
		for _, c := range got.Constraints {
			if again, ok := parseConstraint(c.String()); !ok || again != c {
				t.Errorf("%v is read back as %v", c, again)
			}
		}
	}
}

// TestRulesOfDefaults: a task has the rules of defaults but for those that it says
// itself, and equal rules are kept once.
func TestRulesOfDefaults(t *testing.T) {
	f := parse(t, `
defaults: {cpus: 1, mem: 1, group: g, ports: 2, constraints: [a exists], role: r, container: {image: i}}
tasks:
- {id: plain, command: x}
- {id: own, command: x, group: h, constraints: [], env: {PORT2: 1, PORTAL: 1, PORT00: 1}}
- {id: same, command: x, constraints: [], group: h}
- {id: third, command: x, container: {image: j}}
`)
	plain, own, same, third := f.Specs[0].Rules, f.Specs[1].Rules, f.Specs[2].Rules, f.Specs[3].Rules
	i, a := &Container{Type: "mesos", Image: "i"}, []Constraint{{"a", Exists, ""}}
	if want := (&Rules{Group: "g", Ports: 2, Constraints: a, Role: "r", Container: i}); !reflect.DeepEqual(plain, want) {
		t.Errorf("plain: %+v", plain)
	}
	if want := (&Rules{Group: "h", Ports: 2, Role: "r", Container: i}); !reflect.DeepEqual(own, want) || own != same {
		t.Errorf("own: %+v, same %+v", own, same)
	}
	if third.Container.Image != "j" || third.Group != "g" || plain.Container.Image != "i" {
		t.Errorf("third: %+v", third)
	}
}

// badTask is what a task says beside its id, and what is wrong with it.
type badTask struct{ fields, want string }

// badRules are of a task before another one, z.
func badRules() []badTask {
	long := strings.Repeat("x", 2*maxPath)
	return []badTask{
		{"group: ''", `group: found the name "", allowed are at most 200 ` + allowedGroup},
		{"group: a b", `group: found the name "a b", allowed are at most 200 ` + allowedGroup},
		{"group: [g]", `group: found a list, allowed is ` + allowedGroup},
		{"ports: 1001", `ports: found "1001", allowed is a whole number from 0 to 1000`},
		{"ports: -1", `ports: found "-1", allowed is a whole number from 0 to 1000`},
		{"ports: [1]", `ports: found a list, allowed is a whole number from 0 to 1000`},
		{"ports: 3, env: {PORT2: 1}", `env: found PORT2, which cmdq sets itself where ports are asked for, allowed is any other name`},
		{"constraints: rack == r1", `constraints: found "rack == r1", allowed is a list of texts such as "rack == r1"`},
		{"constraints: [rack = r1]", `constraints: found "rack = r1", allowed is ` + allowedConstraint},
		{"constraints: [rack === r1]", `constraints: found "rack === r1", allowed is ` + allowedConstraint},
		{"constraints: ['rack ==']", `constraints: found "rack ==", allowed is ` + allowedConstraint},
		{"constraints: ['== r1']", `constraints: found "== r1", allowed is ` + allowedConstraint},
		{"constraints: [rack]", `constraints: found "rack", allowed is ` + allowedConstraint},
		{"constraints: [exists]", `constraints: found "exists", allowed is ` + allowedConstraint},
		{"constraints: [my rack exists]", `constraints: found "my rack exists", allowed is ` + allowedConstraint},
		{"constraints: [level >= 3]", `constraints: found "level >= 3", allowed is ` + allowedConstraint},
		{"constraints: [rack like r.*]", `constraints: found "rack like r.*", allowed is ` + allowedConstraint},
		{"constraints: [[rack, CLUSTER, r1]]", `constraints: found a list, allowed is ` + allowedConstraint},
		{"constraints: [{rack: r1}]", `constraints: found a map, allowed is ` + allowedConstraint},
		{"constraints: [hostname exists]", `constraints: found "hostname exists", and every agent has a hostname, allowed with it are == and !=`},
		{"constraints: [" + strings.Repeat("a exists, ", 101) + "]", `constraints: found 101, allowed are at most 100`},
		{"role: ''", `role: found "", allowed is `}, {"role: -r", `role: found "-r", allowed is `}, {"role: a b", `role: found "a b", allowed is `},
		{"role: a//b", `role: found "a//b", allowed is `}, {"role: a/", `role: found "a/", allowed is `}, {"role: ..", `role: found "..", allowed is `},
		{"role: a/*", `role: found "a/*", allowed is `}, {"role: ", `role: found nothing, allowed is `},
		{"container: alpine", `container: found "alpine", allowed is a map with image`},
		{"container: {}", `container: found no image, and every container needs one`},
		{"container: {image: }", `container image: found nothing, allowed is the name of an image, such as alpine:3.20`},
		{"container: {image: ''}", `container image: found "", allowed is the name of an image, such as alpine:3.20`},
		{"container: {image: a b}", `container image: found "a b", allowed is the name of an image, such as alpine:3.20`},
		{"container: {image: " + long + "}", `container image: found "` + strings.Repeat("x", 200) + `…", allowed is the name of an image, such as alpine:3.20`},
		{"container: {image: a, type: podman}", `container type: found "podman", allowed is mesos or docker`},
		{"container: {image: a, volume: [/a:/b]}", `found the unknown field "volume", did you mean volumes?`},
		{"container: {image: a, volumes: /a:/b}", `container volumes: found "/a:/b", allowed is a list of texts such as /on/the/agent:/in/the/container:ro`},
		{"container: {image: a, volumes: [a:/b]}", `container volumes: found "a:/b", allowed is ` + allowedVolume},
		{"container: {image: a, volumes: ['/a']}", `container volumes: found "/a", allowed is ` + allowedVolume},
		{"container: {image: a, volumes: ['/a:/']}", `container volumes: found "/a:/", allowed is ` + allowedVolume},
		{"container: {image: a, volumes: ['/a:/b/..']}", `container volumes: found "/a:/b/..", allowed is ` + allowedVolume},
		{"container: {image: a, volumes: ['/a:/b:z']}", `container volumes: found "/a:/b:z", allowed is ` + allowedVolume},
		{"container: {image: a, volumes: ['/a:/b:ro:x']}", `container volumes: found "/a:/b:ro:x", allowed is ` + allowedVolume},
		{"container: {image: a, volumes: ['/a:/b', '/c:/b/']}", `container volumes: found "/b" a second time, allowed is once in a container`},
		{"container: {image: a}, executor: cmdq", `container: found it with executor: cmdq, which runs commands without containers, allowed is executor: command`},
		{"after: {a: b}", `after: found a map, allowed is the id of a task, or a list of them`},
		{"after: [[a]]", `after: found a list, allowed is the id of a task, or a list of them`},
		{"after: a.2", `after: found "a.2", allowed are ` + allowedID},
		{"after: [z, z]", `after: found "z" a second time, allowed is once`},
	}
}

func TestRuleErrors(t *testing.T) {
	for _, tt := range badRules() {
		_, err := Parse("f", []byte(listHead+"- {id: a, command: x, "+tt.fields+"}\n- {id: z, command: x}\n"))
		if want := `f:3: task "a": ` + tt.want; err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\ngot  %v\nwant %s", tt.fields, err, want)
		}
	}
	_, err := Parse("f", []byte("defaults: {cpus: 1, mem: 1, container: {image: a}}\ntasks:\n- id: a\n  command: x\n  executor: cmdq\n- {id: b, command: x}\n"))
	if err == nil || err.Error() != `f:5: task "a": container: found it with executor: cmdq, which runs commands without containers, allowed is executor: command` {
		t.Errorf("a container of defaults: %v", err)
	}
}

// TestPortsAreOfALaunch: the reader sets aside PORT0 and so on; the environment of
// a task has none of them.
func TestPortsAreOfALaunch(t *testing.T) {
	f := parse(t, listHead+"- {id: a, command: x, ports: 2}\n")
	for _, v := range f.Tasks(time.Time{})[0].Environment(1) {
		if strings.HasPrefix(v.Name, "PORT") {
			t.Errorf("found %s", v.Name)
		}
	}
	if PortVariable(0) != "PORT0" || PortVariable(12) != "PORT12" {
		t.Error("the names of ports are others")
	}
}
