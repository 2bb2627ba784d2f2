package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cmdq/task"
	"cmdq/web"
)

func statusCommand() *cobra.Command {
	v := newVerb()
	cmd := &cobra.Command{
		Use:   "status",
		Short: "how far the queue is, and what holds it up",
		Long: `Say in one screen how far the queue is: how many tasks are in which state, how
many end a second, how long the rest will take, which agents there are, and what
holds it up. The cmdq that runs with --state is asked; if there is none, its
journal says how far it came. Exit status: 0, 1 if nothing answers, 2 on bad
usage, or if --state holds no journal.`,
		Args:              noWords,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := ask(cmd, v, func(ctx context.Context, q web.Queue) (web.Status, error) { return q.Status(ctx) })
			if err != nil {
				return err
			}
			return v.print(cmd, s, func(p *paper) { p.status(&s) })
		},
	}
	v.register(cmd)
	return cmd
}

func (p *paper) status(s *web.Status) {
	p.process(s)
	p.field("tasks", fmt.Sprintf("%d: %s", s.Tasks, inStates(s)))
	if s.PID == 0 && s.Master == "local" && s.States[task.Starting.String()]+s.States[task.Running.String()] > 0 {
		p.field("", "what ran ended with cmdq; the next start runs it again")
	}
	if s.PID != 0 {
		p.field("rate", fmt.Sprintf("%.3g/s in the last minute%s", s.Rate, timeLeft(s)))
		p.field("offers", p.offers(s))
		p.field("held up", plain(s.Holdup))
		p.agents(s)
	}
}

// process says who runs where, or that nobody does.
func (p *paper) process(s *web.Status) {
	if s.PID == 0 {
		p.field("cmdq", "not running; from its journal")
		p.field("run", "begun "+clock(s.Began))
	} else {
		p.field("cmdq", fmt.Sprintf("process %d, %s", s.PID, plain(s.Version)))
		p.field("run", fmt.Sprintf("begun %s, %s ago", clock(s.Began), p.between(s.Began, "")))
	}
	p.field("file", plain(s.File))
	if s.FileUnused != "" {
		p.field("", "not used as it is now: "+plain(s.FileUnused))
	}
	master := plain(s.Master)
	switch {
	case s.PID == 0:
	case s.Connected:
		master += ", connected"
	default:
		master += ", not connected"
	}
	p.field("master", master)
	if s.Address != "" {
		p.field("page", plain(s.Address)+" (its token is in the file token of --state)")
	}
	p.field("mesos page", plain(s.Page))
	p.field("framework", plain(s.Framework))
}

// ends are the states of tasks that have ended.
var ends = []string{task.Finished.String(), task.Failed.String(), task.Killed.String()}

// endedOf is how many tasks have ended.
func endedOf(s *web.Status) (n int) {
	for _, state := range ends {
		n += s.States[state]
	}
	return n
}

// inStates counts: 12 idle (3 held, 2 waiting), 10 running, 20 failed.
func inStates(s *web.Status) string {
	var parts []string
	for state := range task.NumStates {
		name := task.State(state).String()
		n := s.States[name]
		if n == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", n, name)
		if why := waitsOf(s); task.State(state) == task.Idle && why != "" {
			part += " (" + why + ")"
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// waitsOf counts the idle ones that could not be launched now.
func waitsOf(s *web.Status) string {
	var parts []string
	for _, part := range []struct {
		n    int
		name string
	}{{s.Held, "held"}, {s.Waiting, "waiting for others"}, {s.Delayed, "to be tried again later"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.name))
		}
	}
	return strings.Join(parts, ", ")
}

func timeLeft(s *web.Status) string {
	switch {
	case endedOf(s) == s.Tasks:
		return ""
	case s.Left == nil:
		return ", time left unknown"
	}
	return fmt.Sprintf(", about %s left", seconds(*s.Left))
}

func (p *paper) offers(s *web.Status) string {
	text := "none yet"
	if s.Offered != "" {
		text = fmt.Sprintf("last %s ago", p.between(s.Offered, ""))
	}
	if s.Suppressed {
		text += "; none are wanted now"
	}
	return text
}

// maxAgentRows bounds the agents on a screen; --json has all.
const maxAgentRows = 12

func (p *paper) agents(s *web.Status) {
	if len(s.Agents) == 0 {
		return
	}
	rows := [][]string{{"AGENT", "TASKS", "USED", "OFFERED", "LARGEST", "SEEN", "NOTE"}}
	for _, a := range s.Agents[:min(len(s.Agents), maxAgentRows)] {
		seen := ""
		if a.Seen != "" {
			seen = p.between(a.Seen, "") + " ago"
		}
		rows = append(rows, []string{plain(cmp.Or(a.Name, a.Host)), strconv.Itoa(a.Tasks), amounts(a.Used), amounts(a.Offered), amounts(a.Largest), seen, plain(a.Note)})
	}
	p.printf("\n")
	p.table(rows)
	if more := len(s.Agents) - maxAgentRows; more > 0 {
		p.printf("… and %s more\n", count(more, "agent"))
	}
}
