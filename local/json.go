package local

import (
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/gogo/protobuf/proto"
)

// Mesos has a JSON mapping of its own for its messages (3rdparty/stout's
// protobuf.hpp): names as in the .proto, enums by name, bytes in base64,
// numbers also as strings, one value for a list of one, nothing for what is
// unset, and defaults written out. The JSON methods of mesos-go's types differ
// in most of this, so the mapping is made here, from the protobuf tags of
// their fields.

// field is what the mapping needs to know of a field of a message.
type field struct {
	index    int
	name     string
	required bool
	repeated bool
	enum     map[string]int32 // nil: not an enum
	enumName map[int32]string
	preset   string // the value an unset field is written with; "": none
}

// message is a message's fields in the order they are declared.
type message []field

var messages sync.Map // reflect.Type → message

// fieldsOf reads the fields of a message type once.
func fieldsOf(t reflect.Type) message {
	if m, ok := messages.Load(t); ok {
		return m.(message)
	}
	var m message
	for i := range t.NumField() {
		if f, ok := parseTag(t.Field(i).Tag.Get("protobuf")); ok {
			f.index = i
			m = append(m, f)
		}
	}
	messages.Store(t, m)
	return m
}

// parseTag reads a tag such as
// "varint,2,opt,name=type,enum=mesos.Call_Type,def=1".
func parseTag(tag string) (field, bool) {
	if tag == "" {
		return field{}, false
	}
	var f field
	for _, part := range strings.Split(tag, ",") {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "req":
			f.required = true
		case "rep":
			f.repeated = true
		case "name":
			f.name = value
		case "enum":
			f.setEnum(value)
		case "def":
			f.preset = value
		}
	}
	// A deprecated default is not written out: role, of resources and frameworks.
	if f.name == "role" {
		f.preset = ""
	}
	return f, f.name != ""
}

func (f *field) setEnum(name string) {
	f.enum = proto.EnumValueMap(name)
	f.enumName = make(map[int32]string, len(f.enum))
	for text, n := range f.enum {
		f.enumName[n] = text
	}
}

// enumText is the name of an enum's value, or its number if it has none.
func (f *field) enumText(n int32) string {
	if s, ok := f.enumName[n]; ok {
		return s
	}
	return strconv.Itoa(int(n))
}
