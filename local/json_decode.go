package local

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
)

// decodeJSON reads one message out of data by Mesos' mapping: unknown fields
// and unknown enum names are passed over, null is unset, a missing required
// field or a value of the wrong kind is an error. into is a pointer to one of
// mesos-go's message types.
func decodeJSON(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return fmt.Errorf("parse JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("parse JSON: something follows the object")
	}
	if deepJSON(tree, maxJSONDepth) {
		return fmt.Errorf("parse JSON: %w", errTooDeep)
	}
	return decodeMessage(tree, reflect.ValueOf(into).Elem())
}

func decodeMessage(tree any, into reflect.Value) error {
	object, ok := tree.(map[string]any)
	if !ok {
		return fmt.Errorf("parse JSON: expected an object, found %s", kindOf(tree))
	}
	for _, f := range fieldsOf(into.Type()) {
		value := object[f.name]
		if value == nil {
			if f.required {
				return fmt.Errorf("missing required field %q", f.name)
			}
			continue
		}
		if err := f.decode(value, into.Field(f.index)); err != nil {
			return fmt.Errorf("field %q: %w", f.name, err)
		}
	}
	return nil
}

// decode puts a value, which is not null, into a field of a message.
func (f *field) decode(value any, into reflect.Value) error {
	switch {
	case into.Kind() == reflect.Map:
		return decodeMap(value, into)
	case f.repeated:
		return f.decodeList(value, into)
	}
	set, err := f.decodeOne(value, into)
	if err == nil && !set && f.required {
		return fmt.Errorf("unknown name %q", value)
	}
	return err
}

// decodeList takes a list, or one value for a list of one.
func (f *field) decodeList(value any, into reflect.Value) error {
	items, ok := value.([]any)
	if !ok {
		items = []any{value}
	}
	list := reflect.MakeSlice(into.Type(), 0, len(items))
	for _, item := range items {
		one := reflect.New(into.Type().Elem()).Elem()
		set, err := f.decodeOne(item, one)
		if err != nil {
			return err
		}
		if set {
			list = reflect.Append(list, one)
		}
	}
	into.Set(list)
	return nil
}

func decodeMap(value any, into reflect.Value) error {
	object, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("expected an object, found %s", kindOf(value))
	}
	out := reflect.MakeMapWithSize(into.Type(), len(object))
	for name, item := range object {
		one := reflect.New(into.Type().Elem()).Elem()
		if err := decodeMessage(item, one); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		out.SetMapIndex(reflect.ValueOf(name), one)
	}
	into.Set(out)
	return nil
}

// decodeOne puts a single value into a field or an item of a list. It is not
// set, without an error, if it is an enum's unknown name.
func (f *field) decodeOne(value any, into reflect.Value) (set bool, err error) {
	if into.Kind() == reflect.Pointer {
		target := reflect.New(into.Type().Elem())
		if set, err = f.decodeOne(value, target.Elem()); set {
			into.Set(target)
		}
		return set, err
	}
	switch {
	case f.enum != nil:
		return f.decodeEnum(value, into)
	case into.Kind() == reflect.Struct:
		return true, decodeMessage(value, into)
	}
	return true, decodeScalar(value, into)
}

func (f *field) decodeEnum(value any, into reflect.Value) (bool, error) {
	name, ok := value.(string)
	if !ok {
		return false, fmt.Errorf("expected a name, found %s", kindOf(value))
	}
	n, known := f.enum[name]
	if known {
		into.SetInt(int64(n))
	}
	return known, nil
}

func decodeScalar(value any, into reflect.Value) error {
	switch into.Kind() {
	case reflect.String:
		s, ok := value.(string)
		if !ok {
			return fmt.Errorf("expected a string, found %s", kindOf(value))
		}
		into.SetString(s)
	case reflect.Bool:
		return decodeBool(value, into)
	case reflect.Slice: // bytes
		s, ok := value.(string)
		if !ok {
			return fmt.Errorf("expected base64, found %s", kindOf(value))
		}
		data, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return fmt.Errorf("parse base64: %w", err)
		}
		into.SetBytes(data)
	default:
		return decodeNumber(value, into)
	}
	return nil
}

func decodeBool(value any, into reflect.Value) error {
	switch value {
	case true, "true":
		into.SetBool(true)
	case false, "false":
		into.SetBool(false)
	default:
		return fmt.Errorf("expected true or false, found %s", kindOf(value))
	}
	return nil
}

// decodeNumber takes a number or a string that holds one; for a double also
// "Infinity" and "-Infinity". A fraction is cut off for an integer field.
func decodeNumber(value any, into reflect.Value) error {
	var text string
	switch v := value.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	default:
		return fmt.Errorf("expected a number, found %s", kindOf(value))
	}
	float, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("expected a number, found %q", text)
	}
	switch {
	case into.CanFloat():
		into.SetFloat(float)
	case into.CanInt():
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			n = int64(float)
		}
		if math.Abs(float) >= math.MaxInt64 || math.IsNaN(float) || into.OverflowInt(n) {
			return fmt.Errorf("%s is out of range", text)
		}
		into.SetInt(n)
	case into.CanUint():
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			n = uint64(max(float, 0))
		}
		if float < 0 || float >= math.MaxUint64 || math.IsNaN(float) || into.OverflowUint(n) {
			return fmt.Errorf("%s is out of range", text)
		}
		into.SetUint(n)
	}
	return nil
}

// kindOf names the kind of a JSON value for an error.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}
