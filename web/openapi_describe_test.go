package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// object is JSON in this order.
type object []member

type member struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		value := bytes.TrimSpace(marshal(m.value))
		fmt.Fprintf(&b, "%s:%s", marshal(m.name), value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// words are the comments of the types of this package, and of their fields.
type words map[string]string

func readWords(t *testing.T) words {
	w := words{}
	for _, name := range []string{"view.go", "api.go", "errors.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			general, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range general.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					w[s.Name.Name] = sentence(general.Doc.Text())
					if st, ok := s.Type.(*ast.StructType); ok {
						for _, f := range st.Fields.List {
							for _, n := range f.Names {
								w[s.Name.Name+"."+n.Name] = sentence(f.Comment.Text())
							}
						}
					}
				case *ast.ValueSpec:
					if strings.HasPrefix(s.Names[0].Name, "Code") && len(s.Values) == 1 {
						code, err := strconv.Unquote(s.Values[0].(*ast.BasicLit).Value)
						if err != nil {
							t.Fatal(err)
						}
						w["code "+code] = strings.TrimSpace(s.Comment.Text())
					}
				}
			}
		}
	}
	return w
}

func sentence(text string) string { return strings.Join(strings.Fields(text), " ") }

// schemas describes types and all that is in them.
type schemas struct {
	words words
	done  map[string]object
}

func (s *schemas) of(t reflect.Type) object {
	switch t.Kind() {
	case reflect.String:
		return object{{"type", "string"}}
	case reflect.Int, reflect.Int64:
		return object{{"type", "integer"}}
	case reflect.Float64:
		return object{{"type", "number"}}
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Slice:
		return object{{"type", "array"}, {"items", s.of(t.Elem())}}
	case reflect.Map:
		return object{{"type", "object"}, {"additionalProperties", s.of(t.Elem())}}
	case reflect.Struct:
		if _, ok := s.done[t.Name()]; !ok {
			s.done[t.Name()] = nil
			s.done[t.Name()] = s.ofStruct(t)
		}
		return object{{"$ref", "#/components/schemas/" + t.Name()}}
	}
	panic(t)
}

func (s *schemas) ofStruct(t reflect.Type) object {
	var properties object
	var required []string
	s.fields(t, &properties, &required)
	o := object{{"type", "object"}}
	if d := s.words[t.Name()]; d != "" {
		o = append(o, member{"description", d})
	}
	o = append(o, member{"properties", properties})
	if len(required) > 0 {
		o = append(o, member{"required", required})
	}
	if t == reflect.TypeFor[Selection]() {
		o = append(o, member{"additionalProperties", false})
	}
	return o
}

func (s *schemas) fields(t reflect.Type, properties *object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			s.fields(f.Type, properties, required)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		schema := s.of(f.Type)
		if options == "" {
			*required = append(*required, name)
			if f.Type.Kind() == reflect.Pointer {
				schema = object{{"type", []string{schema[0].value.(string), "null"}}}
			}
		}
		if d := s.words[t.Name()+"."+f.Name]; d != "" {
			schema = append(schema, member{"description", d})
		}
		*properties = append(*properties, member{name, schema})
	}
}

// describe makes openapi.json of the operations and the types.
func describe(t *testing.T) []byte {
	s := &schemas{words: readWords(t), done: map[string]object{}}
	var paths object
	for _, op := range operations {
		o := s.operation(op)
		if i := slices.IndexFunc(paths, func(m member) bool { return m.name == op.path }); i >= 0 {
			paths[i].value = append(paths[i].value.(object), o)
		} else {
			paths = append(paths, member{op.path, object{o}})
		}
	}
	s.of(reflect.TypeFor[Event]())
	var all object
	for _, name := range slices.Sorted(maps.Keys(s.done)) {
		all = append(all, member{name, s.done[name]})
	}
	var codes []string
	var errors object
	list := "One of these codes:"
	for _, code := range slices.SortedFunc(maps.Keys(statuses), func(a, b string) int {
		if statuses[a] != statuses[b] {
			return statuses[a] - statuses[b]
		}
		return strings.Compare(a, b)
	}) {
		codes = append(codes, code)
		if name := errorName(statuses[code]); len(errors) == 0 || errors[len(errors)-1].name != name {
			errors = append(errors, member{name, object{{"description", http.StatusText(statuses[code])},
				{"content", object{{jsonDoc, object{{"schema", object{{"$ref", "#/components/schemas/Error"}}}}}}}}})
		}
		list += fmt.Sprintf(" %s (%d): %s;", code, statuses[code], s.words["code "+code])
	}
	all = append(all, member{"Error", object{{"type", "object"}, {"required", []string{"error"}}, {"properties", object{{"error", object{
		{"type", "object"}, {"required", []string{"code", "message"}}, {"properties", object{
			{"code", object{{"type", "string"}, {"enum", codes}, {"description", strings.TrimSuffix(list, ";") + "."}}},
			{"message", object{{"type", "string"}, {"description", "What is wrong, for people: one line of at most 1,500 bytes."}}}}}}}}}}})
	doc := object{
		{"openapi", "3.1.0"},
		{"info", object{{"title", "cmdq"}, {"version", "1"}, {"description", about}, {"license", object{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
		{"security", []object{{{"token", []string{}}}, {{"cookie", []string{}}}, {}}},
		{"paths", paths},
		{"components", object{{"schemas", all}, {"responses", errors}, {"securitySchemes", object{
			{"token", object{{"type", "http"}, {"scheme", "bearer"}}},
			{"cookie", object{{"type", "apiKey"}, {"in", "cookie"}, {"name", "cmdq-token-PORT"}, {"description", "Set by GET /?token=TOKEN; PORT is that of --listen."}}},
		}}}},
	}
	var b bytes.Buffer
	if err := json.Indent(&b, marshal(doc), "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (s *schemas) operation(op operation) member {
	o := object{{"operationId", op.id}, {"summary", op.summary}}
	if len(op.params) > 0 {
		var params []object
		for _, p := range op.params {
			schema := object{{"type", p.kind}}
			if p.name == "state" || p.name == "label" {
				schema = object{{"type", "array"}, {"items", schema}}
			}
			params = append(params, object{{"name", p.name}, {"in", p.in}, {"required", p.in == "path"}, {"description", p.description}, {"schema", schema}})
		}
		o = append(o, member{"parameters", params})
	}
	if op.body != nil {
		o = append(o, member{"requestBody", object{{"required", true}, {"content", s.content(op.body)}}})
	}
	responses := object{{"200", object{{"description", "It is answered."}, {"content", s.content(op.answer)}}}}
	var found []int
	for _, code := range strings.Fields(op.codes + everywhere) {
		if !slices.Contains(found, statuses[code]) {
			found = append(found, statuses[code])
		}
	}
	slices.Sort(found)
	for _, status := range found {
		responses = append(responses, member{strconv.Itoa(status), object{{"$ref", "#/components/responses/" + errorName(status)}}})
	}
	return member{strings.ToLower(op.method), append(o, member{"responses", responses})}
}

func errorName(status int) string { return "Error" + strconv.Itoa(status) }

// content is a body: a media type, or a type in JSON.
func (s *schemas) content(body any) object {
	if media, ok := body.(string); ok {
		return object{{media, object{}}}
	}
	return object{{jsonDoc, object{{"schema", s.of(reflect.TypeOf(body))}}}}
}
