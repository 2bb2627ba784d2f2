package local

import (
	"encoding/binary"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// How deep what is decoded may be. Without a bound a body of maxBody is deep
// enough to overflow the stack of its goroutine, which no recover stops. 100 is
// protobuf's own bound, which holds in Mesos too; an object of JSON may lie in
// a list each time.
const (
	maxDepth     = 100
	maxJSONDepth = 2 * maxDepth
)

var (
	errTooDeep = errors.New("it is nested too deep")
	errWire    = errors.New("it is not a protobuf message, or has groups, which no message has")
)

// checkDepth walks through an encoded message of a type, before it is decoded:
// mesos-go's decoders call themselves for each message and each group in
// another.
func checkDepth(data []byte, t reflect.Type, left int) error {
	if left == 0 {
		return errTooDeep
	}
	inner := innerOf(t)
	for len(data) > 0 {
		key, n := binary.Uvarint(data)
		if n <= 0 {
			return errWire
		}
		data = data[n:]
		var size uint64 // of the value
		switch key & 7 {
		case 0:
			_, n = binary.Uvarint(data)
			if n <= 0 {
				return errWire
			}
			size = uint64(n)
		case 1:
			size = 8
		case 2:
			size, n = binary.Uvarint(data)
			if n <= 0 {
				return errWire
			}
			data = data[n:]
		case 5:
			size = 4
		default:
			return errWire
		}
		if size > uint64(len(data)) {
			return errWire
		}
		if m := inner[int32(key>>3)]; m != nil && key&7 == 2 { // the decoders cut the number as well
			if err := checkDepth(data[:size], m, left-1); err != nil {
				return err
			}
		}
		data = data[size:]
	}
	return nil
}

var inners sync.Map // reflect.Type → map[int32]reflect.Type

// innerOf are the messages in a message type, by the number of their field. An
// item of a map is a message of its name and its value.
func innerOf(t reflect.Type) map[int32]reflect.Type {
	if t.Kind() == reflect.Map {
		return map[int32]reflect.Type{2: t.Elem()}
	}
	if known, ok := inners.Load(t); ok {
		return known.(map[int32]reflect.Type)
	}
	inner := map[int32]reflect.Type{}
	for i := range t.NumField() {
		parts := strings.Split(t.Field(i).Tag.Get("protobuf"), ",") // as in parseTag
		if len(parts) < 2 {
			continue
		}
		number, err := strconv.ParseInt(parts[1], 10, 32)
		if m := messageIn(t.Field(i).Type); err == nil && m != nil {
			inner[int32(number)] = m
		}
	}
	inners.Store(t, inner)
	return inner
}

// messageIn is the message, or map of messages, that a field holds, once or
// often; nil if it holds none.
func messageIn(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct || t.Kind() == reflect.Map {
		return t
	}
	return nil
}

// deepJSON tells whether a tree of JSON has more levels than are left.
func deepJSON(tree any, left int) bool {
	if left == 0 {
		return true
	}
	switch v := tree.(type) {
	case map[string]any:
		for _, item := range v {
			if deepJSON(item, left-1) {
				return true
			}
		}
	case []any:
		for _, item := range v {
			if deepJSON(item, left-1) {
				return true
			}
		}
	}
	return false
}
