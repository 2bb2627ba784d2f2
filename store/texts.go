package store

import "cmdq/task"

const (
	maxKept     = 1 << 16 // texts that are looked up to be shared
	maxKeptText = 512     // bytes of one worth sharing
	maxKeptMaps = 1 << 12 // maps, and rules
	maxKeptMap  = 1 << 12 // bytes of an encoded one
)

// texts gives one string for equal ones, one map, and one of rules: a million
// tasks have few agents, and often few commands. Nothing that it gave may be
// changed.
type texts struct {
	m     map[string]string
	maps  map[string]map[string]string // by their encoding
	rules map[string]*task.Rules       // the same
}

func (t *texts) keep(b []byte) string {
	if len(b) > maxKeptText {
		return string(b)
	}
	if s, ok := t.m[string(b)]; ok {
		return s
	}
	s := string(b)
	if t.m == nil {
		t.m = make(map[string]string)
	}
	if len(t.m) < maxKept {
		t.m[s] = s
	}
	return s
}

func (t *texts) keepMap(encoded []byte, m map[string]string) {
	if t.maps == nil {
		t.maps = make(map[string]map[string]string)
	}
	if len(t.maps) < maxKeptMaps && len(encoded) <= maxKeptMap {
		t.maps[string(encoded)] = m
	}
}

func (t *texts) keepRules(encoded []byte, r *task.Rules) {
	if t.rules == nil {
		t.rules = make(map[string]*task.Rules)
	}
	if len(t.rules) < maxKeptMaps && len(encoded) <= maxKeptMap {
		t.rules[string(encoded)] = r
	}
}
