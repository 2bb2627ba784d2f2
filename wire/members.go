package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// A Member is one that a JSON text should not have. encoding/json would take it:
// it minds no case, and of two members it takes the last one.
type Member struct {
	Name   string
	Twice  bool  // it is given twice; else it is unknown, as it is written
	Offset int64 // where its name begins
}

func (e *Member) Error() string {
	if e.Twice {
		return fmt.Sprintf("field %q is given twice", e.Name)
	}
	return fmt.Sprintf("unknown field %q", e.Name)
}

// CheckMembers finds the first member of a text, which json.Unmarshal takes for a
// v, whose name is not exactly as v has it, or is there twice.
func CheckMembers(text []byte, v any) error {
	return members(text, json.NewDecoder(bytes.NewReader(text)), reflect.TypeOf(v))
}

// members checks the next value, which is to be of a type.
func members(text []byte, d *json.Decoder, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	token, err := d.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('['):
		for d.More() {
			if err := members(text, d, t.Elem()); err != nil {
				return err
			}
		}
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			at := begin(text, d.InputOffset())
			key, err := d.Token()
			if err != nil {
				return err
			}
			name := key.(string) // of a member, always
			of := memberType(t, name)
			if of == nil || seen[name] {
				return &Member{name, of != nil, at}
			}
			seen[name] = true
			if err := members(text, d, of); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	_, err = d.Token() // the end of it
	return err
}

// begin is where the next token begins.
func begin(text []byte, at int64) int64 {
	return at + int64(len(text[at:])-len(bytes.TrimLeft(text[at:], " \t\r\n,")))
}

// memberType is the type of a member; nil: there is none of that name.
func memberType(t reflect.Type, name string) reflect.Type {
	if t.Kind() == reflect.Map {
		return t.Elem()
	}
	for f := range t.Fields() {
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name {
			return f.Type
		}
	}
	return nil
}
