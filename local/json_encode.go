package local

import (
	"encoding/base64"
	"math"
	"reflect"
	"sort"
	"strconv"
	"unicode/utf8"
)

// appendJSON writes a message by Mesos' mapping behind buf: what is set, and
// what is unset but has a default. from is one of mesos-go's message types or
// a pointer to it.
func appendJSON(buf []byte, from any) []byte {
	return appendMessage(buf, reflect.Indirect(reflect.ValueOf(from)))
}

func appendMessage(buf []byte, from reflect.Value) []byte {
	buf = append(buf, '{')
	first := true
	for _, f := range fieldsOf(from.Type()) {
		value := from.Field(f.index)
		unset := f.unset(value)
		if unset && f.preset == "" {
			continue
		}
		if !first {
			buf = append(buf, ',')
		}
		first = false
		buf = append(appendString(buf, f.name), ':')
		if unset {
			buf = f.appendPreset(buf, value.Type())
		} else {
			buf = f.append(buf, value)
		}
	}
	return append(buf, '}')
}

// unset tells whether a field has no value. A field that mesos-go keeps
// without a pointer although it is optional is an enum or a message, and unset
// at its zero value.
func (f *field) unset(value reflect.Value) bool {
	switch value.Kind() {
	case reflect.Pointer:
		return value.IsNil()
	case reflect.Slice, reflect.Map:
		return value.Len() == 0 && !f.required
	}
	return !f.required && value.IsZero()
}

func (f *field) append(buf []byte, value reflect.Value) []byte {
	switch {
	case value.Kind() == reflect.Map:
		return appendMap(buf, value)
	case f.repeated:
		buf = append(buf, '[')
		for i := range value.Len() {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = f.appendOne(buf, value.Index(i))
		}
		return append(buf, ']')
	}
	return f.appendOne(buf, value)
}

// appendMap writes a map of messages, by name.
func appendMap(buf []byte, value reflect.Value) []byte {
	keys := value.MapKeys()
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	buf = append(buf, '{')
	for i, key := range keys {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(appendString(buf, key.String()), ':')
		buf = appendMessage(buf, value.MapIndex(key))
	}
	return append(buf, '}')
}

func (f *field) appendOne(buf []byte, value reflect.Value) []byte {
	value = reflect.Indirect(value)
	switch {
	case f.enum != nil:
		return appendString(buf, f.enumText(int32(value.Int())))
	case value.Kind() == reflect.Struct:
		return appendMessage(buf, value)
	case value.Kind() == reflect.String:
		return appendString(buf, value.String())
	case value.Kind() == reflect.Bool:
		return strconv.AppendBool(buf, value.Bool())
	case value.Kind() == reflect.Slice: // bytes
		buf = append(buf, '"')
		buf = base64.StdEncoding.AppendEncode(buf, value.Bytes())
		return append(buf, '"')
	case value.CanInt():
		return strconv.AppendInt(buf, value.Int(), 10)
	case value.CanUint():
		return strconv.AppendUint(buf, value.Uint(), 10)
	}
	return appendFloat(buf, value.Float())
}

// appendPreset writes a field's default, which its tag holds as text: a
// boolean as 0 or 1, an enum as its number.
func (f *field) appendPreset(buf []byte, t reflect.Type) []byte {
	kind := t.Elem().Kind()
	switch {
	case f.enum != nil:
		n, _ := strconv.Atoi(f.preset)
		return appendString(buf, f.enumText(int32(n)))
	case kind == reflect.Bool:
		return strconv.AppendBool(buf, f.preset == "1")
	case kind == reflect.String:
		return appendString(buf, f.preset)
	case kind == reflect.Float64:
		x, _ := strconv.ParseFloat(f.preset, 64)
		return appendFloat(buf, x)
	}
	return append(buf, f.preset...)
}

// appendFloat writes a double with a fraction always, as Mesos does; JSON has
// no infinite numbers, so those are strings.
func appendFloat(buf []byte, x float64) []byte {
	switch {
	case math.IsNaN(x):
		return append(buf, `"NaN"`...)
	case math.IsInf(x, 1):
		return append(buf, `"Infinity"`...)
	case math.IsInf(x, -1):
		return append(buf, `"-Infinity"`...)
	case x == math.Trunc(x) && math.Abs(x) < 1e15:
		return strconv.AppendFloat(buf, x, 'f', 1, 64)
	}
	return strconv.AppendFloat(buf, x, 'g', -1, 64)
}

const hexDigits = "0123456789abcdef"

// appendString writes a JSON string; bytes that are not UTF-8 become U+FFFD.
func appendString[T string | []byte](buf []byte, s T) []byte {
	buf = append(buf, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			buf = append(buf, '\\', c)
		case c == '\n':
			buf = append(buf, '\\', 'n')
		case c < 0x20 || c == 0x7f:
			buf = append(buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		case c < utf8.RuneSelf:
			buf = append(buf, c)
		default:
			r, size := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
			buf = utf8.AppendRune(buf, r)
			i += size
			continue
		}
		i++
	}
	return append(buf, '"')
}
