package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"cmdq/task"
)

func (d *decoder) whole() int {
	v := d.int()
	if v > math.MaxInt || v < math.MinInt {
		d.fail("field %d is out of range", d.number)
		return 0
	}
	return int(v)
}

// decodeTask reads a task into t, and the number of its spec. Its Spec is nil.
func decodeTask(t *task.Task, payload []byte, texts *texts) (Task, uint64, error) {
	d := &decoder{rest: payload, texts: texts}
	*t = task.Task{}
	out, spec := Task{Task: t}, uint64(0)
	for d.next() {
		switch d.number {
		case 1:
			d.is(kindBytes)
			t.ID = task.ID(d.bytes) // not shared: there is one of each
		case 2:
			spec = d.uint()
		case 3:
			t.Index = d.whole()
		case 4:
			t.Seq = d.uint()
		case 5:
			t.State = task.State(d.small(uint64(task.NumStates - 1)))
		case 6:
			t.Stop = task.Stop(d.small(uint64(task.GroupStopped)))
		case 7:
			t.Submitted = d.time()
		case 8:
			t.Launches = d.whole()
		case 9:
			t.Attempts = d.whole()
		case 10:
			t.Base = d.whole()
		case 11:
			t.Charged = d.whole()
		case 12:
			t.Infra = d.whole()
		case 13:
			t.NeverStarted = d.whole()
		case 14:
			m := d.message()
			t.History = append(t.History, decodeAttempt(m))
			d.inner(m)
		case 15:
			m := d.message()
			t.End = decodeEnd(m)
			d.inner(m)
		case 16:
			out.Wake = d.time()
		case 17:
			t.Held = d.flag()
		case 18:
			t.Given = d.flag()
		case 19:
			t.Alone = d.flag()
		case 20:
			t.ForgivenByRun = d.flag()
		case 21:
			t.ForgivenByGroup = d.flag()
		default:
			d.unknown()
		}
	}
	if d.err == nil && (t.ID == "" || spec == 0) {
		d.err = errors.New("a task without an id or a spec")
	}
	return out, spec, d.err
}

func decodeAttempt(d *decoder) task.Attempt {
	var a task.Attempt
	for d.next() {
		switch d.number {
		case 1:
			a.Number = d.whole()
		case 2:
			a.Agent = d.text()
		case 3:
			a.Host = d.text()
		case 4:
			a.Framework = d.text()
		case 5:
			a.Launched = d.time()
		case 6:
			a.Started = d.time()
		case 7:
			a.Ended = d.time()
		case 8:
			a.Seen = d.flag()
		case 9:
			a.Updates = decodeUpdates(d)
		case 10:
			a.MayStillRun = d.time()
		case 11:
			a.Look = d.time()
		case 12:
			a.KilledAt = d.time()
		case 13:
			a.Settle = d.time()
		case 14:
			a.Adrift = d.flag()
		case 15:
			a.State = d.text()
		case 16:
			a.Reason = d.text()
		case 17:
			a.Message = d.text()
		case 18:
			a.Exit = decodeExit(d)
		case 19:
			a.Executor = d.text()
		case 20:
			a.Queued = d.time()
		case 21:
			a.Starting = d.time()
		case 22:
			a.Ports = decodePorts(d)
		default:
			d.unknown()
		}
	}
	return a
}

func decodePorts(d *decoder) (ports []uint16) {
	d.is(kindBytes)
	for rest := d.bytes; len(rest) > 0; {
		port, n := binary.Uvarint(rest)
		if n <= 0 || port > math.MaxUint16 {
			d.fail("field %d is no list of ports", d.number)
			return nil
		}
		ports, rest = append(ports, uint16(port)), rest[n:]
	}
	return ports
}

func decodeUpdates(d *decoder) [][16]byte {
	d.is(kindBytes)
	if len(d.bytes)%16 != 0 {
		d.fail("field %d is no list of update ids", d.number)
		return nil
	}
	ids := make([][16]byte, len(d.bytes)/16)
	for i := range ids {
		copy(ids[i][:], d.bytes[16*i:])
	}
	return ids
}

func decodeEnd(d *decoder) *task.End {
	end := &task.End{}
	for d.next() {
		switch d.number {
		case 1:
			end.At = d.time()
		case 2:
			end.Launch = d.whole()
		case 3:
			end.Reason = d.text()
		case 4:
			end.Message = d.text()
		case 5:
			end.Exit = decodeExit(d)
		case 6:
			end.Stderr = d.text()
		case 7:
			end.State = task.State(d.small(uint64(task.NumStates - 1)))
		default:
			d.unknown()
		}
	}
	return end
}

func decodeExit(d *decoder) task.Exit {
	m := d.message()
	var x task.Exit
	for m.next() {
		switch m.number {
		case 1:
			x.Known = m.flag()
		case 2:
			x.Code = m.whole()
		case 3:
			x.Signal = m.text()
		default:
			m.unknown()
		}
	}
	d.inner(m)
	return x
}

// decodeSpec reads a spec into s.
func decodeSpec(s *task.Spec, payload []byte, texts *texts) error {
	d := &decoder{rest: payload, texts: texts}
	*s = task.Spec{}
	for d.next() {
		switch d.number {
		case 1:
			s.ID = task.ID(d.text())
		case 2:
			s.Line = d.whole()
		case 3:
			s.Command = d.text()
		case 4:
			s.Argv = append(s.Argv, d.text())
		case 5:
			s.Resources.CPUs = d.int()
		case 6:
			s.Resources.Mem = d.int()
		case 7:
			s.Resources.Disk = d.int()
		case 8:
			s.Resources.GPUs = d.int()
		case 9:
			s.Env = decodeMap(d)
		case 10:
			s.User = d.text()
		case 11:
			s.Name = d.text()
		case 12:
			s.Retries = d.whole()
		case 13:
			s.Timeout = time.Duration(d.int())
		case 14:
			s.KillGrace = time.Duration(d.int())
		case 15:
			s.Priority = d.whole()
		case 16:
			s.Labels = decodeMap(d)
		case 17:
			s.URIs = append(s.URIs, decodeURI(d))
		case 18:
			series(s).Count = d.whole()
		case 19:
			series(s).First = d.whole()
		case 20:
			series(s).Lines = decodeLines(d)
		case 21:
			s.Files = append(s.Files, decodeInput(d))
		case 22:
			s.Outputs = append(s.Outputs, decodeOutput(d))
		case 23:
			s.Executor = task.Executor(d.text())
		case 24:
			s.Rules = decodeRules(d)
		default:
			d.unknown()
		}
	}
	return d.err
}

func series(s *task.Spec) *task.Series {
	if s.Series == nil {
		s.Series = &task.Series{}
	}
	return s.Series
}

// decodeLines keeps the text in one piece. It first counts: a line of no text is
// one byte here, and much more in memory.
func decodeLines(d *decoder) []string {
	d.is(kindBytes)
	n := 0
	for rest := d.bytes; len(rest) > 0; n++ {
		size, length := binary.Uvarint(rest)
		if length <= 0 || size > uint64(len(rest)-length) || n == task.MaxCount {
			d.fail("field %d is no list of lines", d.number)
			return nil
		}
		rest = rest[length+int(size):]
	}
	all, lines := string(d.bytes), make([]string, n)
	for i, rest := 0, d.bytes; i < n; i++ {
		size, length := binary.Uvarint(rest)
		end := length + int(size)
		lines[i], all, rest = all[length:end], all[end:], rest[end:]
	}
	return lines
}

func decodeURI(d *decoder) task.URI {
	m := d.message()
	var u task.URI
	for m.next() {
		switch m.number {
		case 1:
			u.Value = m.text()
		case 2:
			u.Extract = m.flag()
		case 3:
			u.Executable = m.flag()
		case 4:
			u.Cache = m.flag()
		case 5:
			u.OutputFile = m.text()
		default:
			m.unknown()
		}
	}
	d.inner(m)
	return u
}

func decodeInput(d *decoder) task.Input {
	m := d.message()
	var f task.Input
	for m.next() {
		switch m.number {
		case 1:
			f.Path = m.text()
		case 2:
			f.Name = m.text()
		case 3:
			f.Executable = m.flag()
		default:
			m.unknown()
		}
	}
	d.inner(m)
	return f
}

func decodeOutput(d *decoder) task.Output {
	m := d.message()
	var o task.Output
	for m.next() {
		switch m.number {
		case 1:
			o.Path = m.text()
		case 2:
			o.Optional = m.flag()
		default:
			m.unknown()
		}
	}
	d.inner(m)
	return o
}

// decodeMap gives one map for equal ones: the specs of a file often share their
// environment, and so did the file's reader.
func decodeMap(d *decoder) map[string]string {
	m := d.message()
	if shared, ok := d.texts.maps[string(d.bytes)]; ok {
		return shared
	}
	out := make(map[string]string)
	for m.next() {
		if m.number != 1 {
			m.unknown()
			break
		}
		var name, value string
		entry := m.message()
		for entry.next() {
			switch entry.number {
			case 1:
				name = entry.text()
			case 2:
				value = entry.text()
			default:
				entry.unknown()
			}
		}
		m.inner(entry)
		if _, twice := out[name]; twice {
			m.fail("a name stands there twice")
		}
		out[name] = value
	}
	d.inner(m)
	d.texts.keepMap(d.bytes, out)
	return out
}

func decodeRun(payload []byte) (Run, error) {
	d := &decoder{rest: payload, texts: &texts{}}
	var r Run
	for d.next() {
		switch d.number {
		case 1:
			r.Began = d.time()
		case 2:
			r.Master = d.text()
		case 3:
			r.File = d.text()
		case 5:
			r.Stage = Stage(d.small(uint64(Done)))
		case 6:
			r.Framework.ID = d.text()
		case 7:
			r.Framework.Subscribed = d.flag()
		case 8:
			r.Framework.Seen = d.time()
		case 11:
			r.Framework.User = d.text()
		case 12:
			r.Applied = d.text()
		case 13:
			d.is(kindBytes)
			r.Secret = bytes.Clone(d.bytes)
		case 14:
			r.Listen = d.text()
		case 15:
			d.is(kindBytes)
			r.Policy = bytes.Clone(d.bytes)
		case 16:
			r.Notices = append(r.Notices, decodeNotice(d))
		case 9:
			r.Owed = append(r.Owed, decodeOwed(d))
		case 10:
			r.Lines = append(r.Lines, decodeLine(d))
		default:
			d.unknown()
		}
	}
	return r, d.err
}

func decodeLine(d *decoder) string {
	line, m := "", d.message()
	for m.next() {
		if m.number == 1 {
			line = m.text()
		} else {
			m.unknown()
		}
	}
	d.inner(m)
	return line
}

func decodeOwed(d *decoder) Owed {
	m := d.message()
	var o Owed
	for m.next() {
		switch m.number {
		case 1:
			o.ID = m.text()
		case 2:
			o.Master = m.text()
		case 3:
			o.Since = m.time()
		case 4:
			o.Earlier = m.flag()
		default:
			m.unknown()
		}
	}
	d.inner(m)
	return o
}
