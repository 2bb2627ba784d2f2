package sandbox

// line is where jobs wait for workers: first come, first served on each agent,
// and the agents in turn. It belongs to a Collector, which protects it.
type line struct {
	most    int               // workers at once
	workers int               // there are
	agents  map[string]*queue // of agents with jobs that wait or are done
	turns   []string          // agents with jobs that wait; whose turn it is first
}

// queue is what waits for one agent.
type queue struct {
	jobs []*job
	busy int // workers on it
}

func newLine(most int) line { return line{most: most, agents: map[string]*queue{}} }

func (l *line) put(j *job) {
	q := l.agents[j.Launch.Agent]
	if q == nil {
		q = new(queue)
		l.agents[j.Launch.Agent] = q
	}
	if len(q.jobs) == 0 {
		l.turns = append(l.turns, j.Launch.Agent)
	}
	q.jobs = append(q.jobs, j)
}

// take gives the next job, or nil if none may be done now. Its agent's turn comes
// again after the others.
func (l *line) take() *job {
	for i, agent := range l.turns {
		q := l.agents[agent]
		if q.busy >= agentWorkers {
			continue
		}
		j := q.jobs[0]
		q.jobs[0] = nil
		q.jobs = q.jobs[1:]
		q.busy++
		l.turns = append(l.turns[:i], l.turns[i+1:]...)
		if len(q.jobs) > 0 {
			l.turns = append(l.turns, agent)
		}
		return j
	}
	return nil
}

// end hears that a job that take gave is done.
func (l *line) end(j *job) {
	q := l.agents[j.Launch.Agent]
	if q.busy--; q.busy == 0 && len(q.jobs) == 0 {
		delete(l.agents, j.Launch.Agent)
	}
}
