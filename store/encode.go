package store

import (
	"encoding/binary"
	"maps"
	"slices"

	"cmdq/task"
)

// The numbers of the fields are the format: they are never given anew. One
// that is added here belongs into decode.go too, and TestEveryField tells.

func encodeTask(e *encoder, in Task, spec uint64) {
	t := in.Task
	e.text(1, string(t.ID))
	e.uint(2, spec)
	e.int(3, int64(t.Index))
	e.uint(4, t.Seq)
	e.uint(5, uint64(t.State))
	e.uint(6, uint64(t.Stop))
	e.time(7, t.Submitted)
	e.int(8, int64(t.Launches))
	e.int(9, int64(t.Attempts))
	e.int(10, int64(t.Base))
	e.int(11, int64(t.Charged))
	e.int(12, int64(t.Infra))
	e.int(13, int64(t.NeverStarted))
	for i := range t.History {
		e.message(14, func() { encodeAttempt(e, &t.History[i]) })
	}
	if t.End != nil {
		e.message(15, func() { encodeEnd(e, t.End) })
	}
	e.time(16, in.Wake)
	e.flag(17, t.Held)
	e.flag(18, t.Given)
	e.flag(19, t.Alone)
	e.flag(20, t.ForgivenByRun)
	e.flag(21, t.ForgivenByGroup)
}

func encodeAttempt(e *encoder, a *task.Attempt) {
	e.int(1, int64(a.Number))
	e.text(2, a.Agent)
	e.text(3, a.Host)
	e.text(4, a.Framework)
	e.time(5, a.Launched)
	e.time(6, a.Started)
	e.time(7, a.Ended)
	e.flag(8, a.Seen)
	if len(a.Updates) > 0 {
		e.message(9, func() {
			for _, id := range a.Updates {
				e.b = append(e.b, id[:]...)
			}
		})
	}
	e.time(10, a.MayStillRun)
	e.time(11, a.Look)
	e.time(12, a.KilledAt)
	e.time(13, a.Settle)
	e.flag(14, a.Adrift)
	e.text(15, a.State)
	e.text(16, a.Reason)
	e.text(17, a.Message)
	encodeExit(e, 18, a.Exit)
	e.text(19, a.Executor)
	e.time(20, a.Queued)
	e.time(21, a.Starting)
	encodePorts(e, 22, a.Ports)
}

// encodePorts writes one field, each port as a uvarint.
func encodePorts(e *encoder, number uint64, ports []uint16) {
	if len(ports) == 0 {
		return
	}
	e.message(number, func() {
		for _, port := range ports {
			e.b = binary.AppendUvarint(e.b, uint64(port))
		}
	})
}

func encodeEnd(e *encoder, end *task.End) {
	e.time(1, end.At)
	e.int(2, int64(end.Launch))
	e.text(3, end.Reason)
	e.text(4, end.Message)
	encodeExit(e, 5, end.Exit)
	e.text(6, end.Stderr)
	e.uint(7, uint64(end.State))
}

func encodeExit(e *encoder, number uint64, x task.Exit) {
	if x == (task.Exit{}) {
		return
	}
	e.message(number, func() {
		e.flag(1, x.Known)
		e.int(2, int64(x.Code))
		e.text(3, x.Signal)
	})
}

// encodeSpec writes equal specs alike, so that one that is there can be found
// by what it says.
func encodeSpec(e *encoder, s *task.Spec) {
	e.text(1, string(s.ID))
	e.int(2, int64(s.Line))
	e.text(3, s.Command)
	for _, a := range s.Argv {
		e.message(4, func() { e.b = append(e.b, a...) })
	}
	e.int(5, s.Resources.CPUs)
	e.int(6, s.Resources.Mem)
	e.int(7, s.Resources.Disk)
	e.int(8, s.Resources.GPUs)
	encodeMap(e, 9, s.Env)
	e.text(10, s.User)
	e.text(11, s.Name)
	e.int(12, int64(s.Retries))
	e.int(13, int64(s.Timeout))
	e.int(14, int64(s.KillGrace))
	e.int(15, int64(s.Priority))
	encodeMap(e, 16, s.Labels)
	for _, u := range s.URIs {
		e.message(17, func() {
			e.text(1, u.Value)
			e.flag(2, u.Extract)
			e.flag(3, u.Executable)
			e.flag(4, u.Cache)
			e.text(5, u.OutputFile)
		})
	}
	if r := s.Series; r != nil {
		e.int(18, int64(r.Count))
		e.int(19, int64(r.First))
		encodeLines(e, 20, r.Lines)
	}
	for _, f := range s.Files {
		e.message(21, func() {
			e.text(1, f.Path)
			e.text(2, f.Name)
			e.flag(3, f.Executable)
		})
	}
	for _, o := range s.Outputs {
		e.message(22, func() {
			e.text(1, o.Path)
			e.flag(2, o.Optional)
		})
	}
	e.text(23, string(s.Executor))
	if s.Rules != nil {
		e.message(24, func() { encodeRules(e, s.Rules) })
	}
}

// encodeLines writes one field: the length of each line as a uvarint, then its text.
func encodeLines(e *encoder, number uint64, lines []string) {
	if len(lines) == 0 {
		return
	}
	e.message(number, func() {
		for _, line := range lines {
			e.b = binary.AppendUvarint(e.b, uint64(len(line)))
			e.b = append(e.b, line...)
		}
	})
}

// encodeMap writes one field with all entries, by name.
func encodeMap(e *encoder, number uint64, m map[string]string) {
	if len(m) == 0 {
		return
	}
	e.message(number, func() {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			e.message(1, func() {
				e.text(1, name)
				e.text(2, m[name])
			})
		}
	})
}

func encodeRun(e *encoder, r *Run) {
	e.time(1, r.Began)
	e.text(2, r.Master)
	e.text(3, r.File)
	e.uint(5, uint64(r.Stage))
	e.text(6, r.Framework.ID)
	e.flag(7, r.Framework.Subscribed)
	e.time(8, r.Framework.Seen)
	for _, o := range r.Owed {
		e.message(9, func() {
			e.text(1, o.ID)
			e.text(2, o.Master)
			e.time(3, o.Since)
			e.flag(4, o.Earlier)
		})
	}
	for _, line := range r.Lines {
		e.message(10, func() { e.text(1, line) })
	}
	e.text(11, r.Framework.User)
	e.text(12, r.Applied)
	e.text(13, string(r.Secret))
	e.text(14, r.Listen)
	e.text(15, string(r.Policy))
	for _, n := range r.Notices {
		e.message(16, func() { encodeNotice(e, n) })
	}
}
