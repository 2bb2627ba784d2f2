package task

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const listHead = "defaults: {cpus: 1, mem: 1}\ntasks:\n"

// parseLists reads a tasks file in the folder d with files of each_line.
func parseLists(text string, lists map[string]string) (*File, error) {
	return ParseWith("d/f", []byte(text), Outside{List: func(path string) ([]byte, error) {
		if list, ok := lists[path]; ok {
			return []byte(list), nil
		}
		return nil, fs.ErrNotExist
	}})
}

// idsAndLines is what a file makes: "a-1=x a-3=y".
func idsAndLines(f *File) string {
	var all []string
	for _, one := range f.Tasks(time.Time{}) {
		all = append(all, fmt.Sprintf("%s=%s", one.ID, one.Line()))
	}
	return strings.Join(all, " ")
}

func TestEachLine(t *testing.T) {
	tests := []struct{ name, list, want string }{
		{"two", "x\ny\n", "a-1=x a-2=y"},
		{"no newline at the end", "x\ny", "a-1=x a-2=y"},
		{"CRLF", "x\r\ny\r\n", "a-1=x a-2=y"},
		{"CRLF without the last", "x\r\n\r\ny\r", "a-1=x a-3=y"},
		{"empty lines", "\n\nx\n\ny\n\n\n", "a-3=x a-5=y"},
		{"BOM", "\ufeffx\n", "a-1=x"},
		{"blanks stay", " x \n\t\n", "a-1= x  a-2=\t"},
		{"CR within", "x\ry\n", "a-1=x\ry"},
		{"no comments", "# x\n'y'\n", "a-1=# x a-2='y'"},
	}
	for _, tt := range tests {
		f, err := parseLists(listHead+"- {id: a, command: 'echo {}', each_line: l}\n", map[string]string{"d/l": tt.list})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := idsAndLines(f); got != tt.want || f.Len() != len(f.Tasks(time.Time{})) {
			t.Errorf("%s: got %q, want %q; Len %d", tt.name, got, tt.want, f.Len())
		}
	}
}

func TestEach(t *testing.T) {
	f, err := parseLists(listHead+"- {id: a, argv: [echo, '{}'], each: [x, 2, true, \"y\\nz\"]}\n- {id: b, command: y}\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := idsAndLines(f); got != "a-1=x a-2=2 a-3=true a-4=y\nz b=" {
		t.Errorf("got %q", got)
	}
	one := f.Tasks(time.Time{})[2]
	want := []Variable{{"CMDQ_TASK", "a-3"}, {"CMDQ_ATTEMPT", "1"}, {"CMDQ_INDEX", "3"}, {"CMDQ_LINE", "true"}}
	if got := one.Environment(1); !reflect.DeepEqual(got, want) {
		t.Errorf("environment: %v", got)
	}
}

// TestSeriesDefaults: a task that says what makes it several takes nothing of
// that from defaults.
func TestSeriesDefaults(t *testing.T) {
	f, err := parseLists("defaults: {cpus: 1, mem: 1, each_line: l}\ntasks:\n- {id: a, command: x}\n- {id: b, command: x, count: 2}\n- {id: c, command: x, each: [z]}\n",
		map[string]string{"d/l": "p\nq\n"})
	if err != nil {
		t.Fatal(err)
	}
	if got := idsAndLines(f); got != "a-1=p a-2=q b-0= b-1= c-1=z" {
		t.Errorf("got %q", got)
	}
}

// badLists are tasks of lists that cannot be, and their lists.
func badLists() (lists map[string]string, tests []badTask) {
	long := strings.Repeat("x", maxLine+1)
	lists = map[string]string{"d/ok": "x\ny z\n", "d/empty": "", "d/blank": "\n\r\n\n", "d/nul": "secret\nsecret\x00\n", "d/latin": "secret\nsecr\xe9t\n",
		"d/long": "x\n" + long + "\n", "d/many": strings.Repeat("\n", MaxCount) + "x", "d/big": "x\n" + strings.Repeat("y", 50_000), "/abs": "x"}
	const none = `file does not exist`
	return lists, []badTask{
		{"command: x, each_line: none", `each_line: "d/none": ` + none},
		{"command: x, each_line: /none", `each_line: "/none": ` + none},
		{"command: x, each_line: ''", `each_line: found an empty text, allowed is the name of a file`},
		{"command: x, each_line: ", `each_line: found nothing, allowed is the name of a file`},
		{"command: x, each_line: [ok]", `each_line: found a list, allowed is the name of a file`},
		{"command: x, each_line: empty", `each_line: "d/empty": found no line with any text, allowed is one or more`},
		{"command: x, each_line: blank", `each_line: "d/blank": found no line with any text, allowed is one or more`},
		{"command: x, each_line: nul", `each_line: "d/nul": line 2 has a NUL byte, allowed is text without one`},
		{"command: x, each_line: latin", `each_line: "d/latin": line 2 is not UTF-8, allowed is text in UTF-8`},
		{"command: x, each_line: long", `each_line: "d/long": line 2 has 131062 bytes, allowed are at most 131061: no command can be started with more`},
		{"command: x, each_line: many", `each_line: "d/many": found 1000001 lines, allowed are at most 1000000`},
		{"command: 'echo {} {} {}', each_line: big", `line 2 of the list makes an argument of 150007 bytes, allowed are at most 131071: no command can be started with more`},
		{"argv: [a" + strings.Repeat(", '{}'", 200) + "], each_line: big", `found 10050001 bytes of text in all with line 2 of the list, allowed are at most 6291456: no command can be started with more`},
		{`command: 'echo "{}"', each_line: ok`, `line 2 of the list has characters with a meaning to the shell, and command has {} within quotes, allowed is {} without quotes around it, since it is quoted already, or "$CMDQ_LINE"`},
		{"command: x, each: []", `each: found an empty list, allowed is one text or more`},
		{"command: x, each: x", `each: found "x", allowed is a list of texts`},
		{"command: x, each: [x, '']", `each: found an empty text, allowed is one that is not`},
		{"command: x, each: [x, null]", `each: found nothing, allowed is text for each item`},
		{`command: x, each: ["a\0"]`, `each: found a NUL byte, allowed is text without one`},
		{"command: x, each: [" + long + "]", `each: found a text of 131062 bytes, allowed are at most 131061: no command can be started with more`},
		{"command: x, each: [x], count: 2", `found both count and each, allowed is one of count, each and each_line`},
		{"command: x, each: [x], each_line: /abs", `found both each and each_line, allowed is one of count, each and each_line`},
	}
}

func TestListErrors(t *testing.T) {
	lists, tests := badLists()
	for _, tt := range tests {
		_, err := parseLists(listHead+"- {id: a, "+tt.fields+"}\n", lists)
		if want := `d/f:3: task "a": ` + tt.want; err == nil || err.Error() != want {
			t.Errorf("%.80s:\ngot  %.300v\nwant %s", tt.fields, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secr") {
			t.Errorf("%.80s: the error shows a line", tt.fields)
		}
	}
	for _, text := range []string{
		"- {id: a-2, command: x}\n- {id: a, command: x, each: [p, q]}\n",
		"- {id: a, command: x, each_line: ok}\n- {id: a-2, command: x}\n",
	} {
		if _, err := parseLists(listHead+text, lists); err == nil || !strings.Contains(err.Error(), `task "a-2": id: found it here and among the 2 tasks of "a"`) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := parseLists(listHead+"- {id: a-1, command: x}\n- {id: a, command: x, each_line: gap}\n", map[string]string{"d/gap": "\nx\n"}); err != nil {
		t.Errorf("an empty line takes an id: %v", err)
	}
	if _, err := parseLists(listHead+"- {id: a, command: 'echo \"{}\"', each: [plain]}\n", nil); err != nil {
		t.Errorf("a plain line within quotes: %v", err)
	}
}

// TestReadList: what is no file of text is refused at once, a FIFO too, which
// would be waited for.
func TestReadList(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, fifo, "/dev/zero", filepath.Join(dir, "none")} {
		if _, err := ReadList(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
	tasks, list := filepath.Join(dir, "tasks.yaml"), filepath.Join(dir, "list")
	write(t, list, "x\ny\n")
	write(t, tasks, listHead+"- {id: a, command: x, each_line: list}\n- {id: b, command: x, each_line: "+list+"}\n")
	f, err := ReadFile(tasks)
	if err != nil || idsAndLines(f) != "a-1=x a-2=y b-1=x b-2=y" {
		t.Errorf("%v, %v", f, err)
	}
	write(t, tasks, listHead+"- {id: a, command: x, each_line: fifo}\n- {id: b, command: x, each_line: .}\n")
	want := fmt.Sprintf("%[1]s:3: task \"a\": each_line: %[2]q: it is no regular file\n%[1]s:4: task \"b\": each_line: %[3]q: it is no regular file", tasks, fifo, dir)
	if _, err := ReadFile(tasks); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestCutLines: whatever lines and limit, the parts have every line that is not
// empty, once, under its number, and none begins or ends with an empty one.
func TestCutLines(t *testing.T) {
	for n := range 200 {
		lines := make([]string, n)
		for i := range lines {
			if (i*7+n)%3 > 0 {
				lines[i] = strings.Repeat("x", (i*i+n)%9) + fmt.Sprint(i)
			}
		}
		for _, limit := range []int{1, 20, 300, 1 << 20} {
			next := 1
			for _, part := range cutLines(lines, limit) {
				if part.First < next || part.Lines[0] == "" || part.Lines[len(part.Lines)-1] == "" {
					t.Fatalf("%d lines cut at %d: part from %d: %q", n, limit, part.First, part.Lines)
				}
				for ; next < part.First; next++ {
					if lines[next-1] != "" {
						t.Fatalf("%d lines cut at %d: line %d is missing", n, limit, next)
					}
				}
				if !slices.Equal(part.Lines, lines[next-1:next-1+len(part.Lines)]) {
					t.Fatalf("%d lines cut at %d: part from %d: %q", n, limit, part.First, part.Lines)
				}
				next += len(part.Lines)
			}
			for ; next <= n; next++ {
				if lines[next-1] != "" {
					t.Fatalf("%d lines cut at %d: line %d is missing", n, limit, next)
				}
			}
		}
	}
}

// TestLinesAppended: a list that grows line by line is not stored over and over.
func TestLinesAppended(t *testing.T) {
	const n = 20_000
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("http://host/%05d.png", i)
	}
	known, stored, text := map[string]bool{}, 0, 0
	for i := 1; i <= n; i++ {
		text += len(lines[i-1])
		if i%20 > 0 {
			continue // twenty at a time
		}
		for _, part := range cutLines(lines[:i], partText) {
			key := fmt.Sprint(part.First, " ", len(part.Lines))
			if !known[key] {
				known[key] = true
				for _, line := range part.Lines {
					stored += len(line)
				}
			}
		}
	}
	if stored > 12*text {
		t.Errorf("%d bytes stored for %d of text", stored, text)
	}
}

// TestOneLineChanged: of 100,000 tasks only that of the line is another one, and
// only the part with it has other text.
func TestOneLineChanged(t *testing.T) {
	const n, changed = 100_000, 54_321
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "http://host/images/%06d.png\n", i)
	}
	read := func(list string) *File {
		f, err := parseLists(listHead+"- {id: a, command: 'fetch {}', each_line: l}\n", map[string]string{"d/l": list})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	f, g := read(list.String()), read(strings.Replace(list.String(), fmt.Sprintf("%06d.png", changed), fmt.Sprintf("%06d.gif", changed), 1))
	before, after := f.Tasks(time.Time{}), g.Tasks(time.Time{})
	for i := range before {
		if same := i != changed; before[i].Equal(&after[i]) != same || before[i].RunsSame(&after[i]) != same {
			t.Fatalf("%s: equal is not %v", before[i].ID, same)
		}
	}
	others := 0
	for i, s := range f.Specs {
		if !slices.Equal(s.Series.Lines, g.Specs[i].Series.Lines) {
			others++
		}
	}
	if others != 1 || len(f.Specs) < 10 {
		t.Errorf("%d of %d parts have changed", others, len(f.Specs))
	}
}

// TestManyLines: a million lines take their text and little more until they are
// tasks, however many specs share them, and no part grows with the list.
func TestManyLines(t *testing.T) {
	const n = 1_000_000
	list := strings.Repeat("0123456789\n", n)
	before := heap()
	f, err := parseLists(listHead+"- {id: a, command: 'echo {}', each_line: l}\n- {id: b, argv: ['{}'], each_line: l}\n", map[string]string{"d/l": list})
	if err != nil || f.Len() != 2*n {
		t.Fatalf("%v", err)
	}
	if kept := (heap() - before) / n; kept > 40 {
		t.Errorf("%d bytes are kept for a line, of 10 bytes, with 16 to find it, which two tasks share", kept)
	}
	last := f.Tasks(time.Time{})[2*n-1]
	if last.ID != "b-1000000" || last.Line() != "0123456789" {
		t.Errorf("the last is %s: %q", last.ID, last.Line())
	}
	for _, s := range f.Specs {
		text := 0
		for _, line := range s.Series.Lines {
			text += len(line) + lineOverhead
		}
		if text > partText+maxLine {
			t.Fatalf("a part has %d bytes", text)
		}
	}
	runtime.KeepAlive(list)
}

// TestPartsOfALargeSpec: where each part repeats much text, there are fewer.
func TestPartsOfALargeSpec(t *testing.T) {
	list := strings.Repeat(strings.Repeat("y", 1000)+"\n", 20_000)
	f, err := parseLists(listHead+"- {id: a, command: x, env: {A: "+strings.Repeat("x", 5<<20)+"}, each_line: l}\n", map[string]string{"d/l": list})
	if err != nil || len(f.Specs) > 4 {
		t.Fatalf("%d specs, %v", len(f.Specs), err)
	}
	for _, s := range f.Specs {
		if size := s.size() + len(s.Series.Lines)*(1000+lineOverhead); size > 15<<20 {
			t.Errorf("a spec has %d bytes", size)
		}
	}
}
