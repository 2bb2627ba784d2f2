package local

import (
	"maps"
	"os"
	"time"
)

// killLeftovers kills what an earlier guardian, itself killed, left behind:
// all that carries its marks, its leaders that live, with their sessions and
// groups, and what descends from any of these. It returns how many do not end
// within the time.
func killLeftovers(l leftovers, timeout time.Duration) int {
	if l.boot == "" || l.boot != bootID() {
		return 0
	}
	deadline := time.Now().Add(timeout)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		table, err := lookAtProcs()
		if err != nil {
			return 0 // without /proc nothing can be known for sure
		}
		left := l.find(table, os.Getpid(), guardMarkOf)
		if len(left) == 0 {
			if left = l.again(); len(left) == 0 { // see warden.clear
				return 0
			}
		}
		if time.Now().After(deadline) {
			return len(left)
		}
		killProcs(left)
		time.Sleep(pause) // they are not our children: nobody tells when they end
	}
}

func (l leftovers) again() []procStat {
	table, err := lookAtProcs()
	if err != nil {
		return nil
	}
	return l.find(table, os.Getpid(), guardMarkOf)
}

// find returns the living processes of a table that are leftovers. self and
// its ancestors never are.
func (l leftovers) find(table procTable, self int, markOf func(pid int) uint64) []procStat {
	spared := map[int]bool{0: true, 1: true}
	for pid := self; !spared[pid]; pid = table[pid].parent {
		spared[pid] = true
	}
	found := procTable{}
	sessions := map[int]bool{}
	for _, leader := range l.leaders {
		// A leader that is a zombie still keeps its session's number.
		if p, there := table[leader.pid]; there && p.procKey == leader {
			found[p.pid] = p
			sessions[p.pid] = true
		}
	}
	for pid, p := range table {
		_, ours := l.nonce.seq(markOf(pid))
		if ours || sessions[p.session] || sessions[p.group] {
			found[pid] = p
		}
	}
	all := procTable{}
	for pid, p := range found {
		all[pid] = p
		maps.Copy(all, table.below(pid))
	}
	var left []procStat
	for pid, p := range all {
		if !spared[pid] && !p.zombie {
			left = append(left, p)
		}
	}
	return left
}
