package store

import "cmdq/task"

func encodeRules(e *encoder, r *task.Rules) {
	for _, id := range r.After {
		e.message(1, func() { e.b = append(e.b, id...) })
	}
	e.text(2, r.Group)
	for _, c := range r.Constraints {
		e.message(3, func() {
			e.text(1, c.Attribute)
			e.text(2, string(c.Op))
			e.text(3, c.Value)
		})
	}
	e.int(4, int64(r.Ports))
	if c := r.Container; c != nil {
		e.message(5, func() {
			e.text(1, c.Type)
			e.text(2, c.Image)
			for _, v := range c.Volumes {
				e.message(3, func() {
					e.text(1, v.Host)
					e.text(2, v.Container)
					e.flag(3, v.ReadOnly)
				})
			}
		})
	}
	e.text(6, r.Role)
}

// decodeRules gives one of equal ones: the specs of a file often share theirs.
func decodeRules(d *decoder) *task.Rules {
	m := d.message()
	if shared, ok := d.texts.rules[string(d.bytes)]; ok {
		return shared
	}
	r := &task.Rules{}
	for m.next() {
		switch m.number {
		case 1:
			r.After = append(r.After, task.ID(m.text()))
		case 2:
			r.Group = m.text()
		case 3:
			r.Constraints = append(r.Constraints, decodeConstraint(m))
		case 4:
			r.Ports = m.whole()
		case 5:
			r.Container = decodeContainer(m)
		case 6:
			r.Role = m.text()
		default:
			m.unknown()
		}
	}
	d.inner(m)
	d.texts.keepRules(d.bytes, r)
	return r
}

func decodeConstraint(d *decoder) task.Constraint {
	m := d.message()
	var c task.Constraint
	for m.next() {
		switch m.number {
		case 1:
			c.Attribute = m.text()
		case 2:
			c.Op = task.Op(m.text())
		case 3:
			c.Value = m.text()
		default:
			m.unknown()
		}
	}
	d.inner(m)
	return c
}

func decodeContainer(d *decoder) *task.Container {
	m, c := d.message(), &task.Container{}
	for m.next() {
		switch m.number {
		case 1:
			c.Type = m.text()
		case 2:
			c.Image = m.text()
		case 3:
			c.Volumes = append(c.Volumes, decodeVolume(m))
		default:
			m.unknown()
		}
	}
	d.inner(m)
	return c
}

func decodeVolume(d *decoder) task.Volume {
	m := d.message()
	var v task.Volume
	for m.next() {
		switch m.number {
		case 1:
			v.Host = m.text()
		case 2:
			v.Container = m.text()
		case 3:
			v.ReadOnly = m.flag()
		default:
			m.unknown()
		}
	}
	d.inner(m)
	return v
}
