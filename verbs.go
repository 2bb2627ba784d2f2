package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cmdq/lock"
	"cmdq/store"
	"cmdq/web"
)

// journalView makes a Queue of the journal in a state directory, for what may be
// asked when no cmdq runs. Without a journal its error is fs.ErrNotExist. Tests
// put others in its place.
var journalView = openFrozen

// verb is what the verbs have in common: they ask the cmdq that runs with a state
// directory, or read what it left there.
type verb struct {
	state string
	json  bool // what the API says, instead of words
	kept  bool // it was its journal that answered
}

func newVerb() *verb { return &verb{state: ".cmdq"} }

func (v *verb) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	v.registerJSON(f)
	f.StringVar(&v.state, "state", v.state, "`directory` that cmdq keeps its journal in")
	completeFlag(cmd, "state", cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
}

func (v *verb) registerJSON(f *pflag.FlagSet) {
	f.BoolVar(&v.json, "json", false, "what the API answers, as JSON")
}

// How long a cmdq that has the directory may be silent: it may be starting, or
// about to end.
const (
	slowStart = 3 * time.Second
	slowEnd   = 30 * time.Second // where it is known that it ends
	askAgain  = 50 * time.Millisecond
)

// running finds the cmdq that runs.
func (v *verb) running(ctx context.Context) (*web.Client, error) {
	client, _, err := v.find(ctx, false, slowStart)
	return client, err
}

// find finds the cmdq that runs, or else its journal, if that will do. One of
// both is nil. One that has the directory may be silent for so long.
func (v *verb) find(ctx context.Context, orJournal bool, patience time.Duration) (*web.Client, web.Queue, error) {
	if v.state == "" {
		return nil, nil, usage("--state is empty")
	}
	for until := time.Now().Add(patience); ; {
		client, err := web.DialControl(v.state)
		if err == nil || !errors.Is(err, web.ErrNotRunning) {
			return client, nil, err
		}
		kept, err := v.journal(orJournal)
		var held *lock.HeldError
		if err == nil || !errors.As(err, &held) || time.Now().After(until) {
			return nil, kept, err
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// journal opens what a cmdq left that has ended. If it will not do, the error
// says what is there.
func (v *verb) journal(willDo bool) (web.Queue, error) {
	if willDo {
		q, err := journalView(v.state)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, v.nothingThere()
		}
		return q, err
	}
	free, err := lock.Share(v.state)
	if err == nil {
		err = free.Release()
	}
	if err != nil {
		return nil, err
	}
	if !store.Exists(v.state) {
		return nil, v.nothingThere()
	}
	return nil, &exit{exitFailed, fmt.Errorf("%w with %s", errNothingRuns, plain(v.state))}
}

// errNothingRuns tells that there is a journal, but no cmdq that uses it.
var errNothingRuns = errors.New("no cmdq is running")

func (v *verb) nothingThere() error {
	return usage("there is no cmdq that uses %s, and no journal of one; name another directory with --state", plain(v.state))
}

// ask asks the cmdq that runs, or else its journal, and says so.
func ask[T any](cmd *cobra.Command, v *verb, question func(context.Context, web.Queue) (T, error)) (T, error) {
	ctx := context.Background()
	var answer T
	for _, patience := range []time.Duration{slowStart, slowEnd} { // it may end meanwhile
		client, kept, err := v.find(ctx, true, patience)
		if err != nil {
			return answer, v.told(err)
		}
		queue := kept
		if client != nil {
			queue = client
		} else {
			fmt.Fprintf(cmd.ErrOrStderr(), "cmdq: nothing runs with %s; this is what its journal says\n", plain(v.state))
		}
		v.kept = client == nil
		if answer, err = question(ctx, queue); client == nil || !ending(err) {
			return answer, v.told(err)
		}
	}
	return answer, v.told(web.ErrNotRunning)
}

// ending tells whether an error is that cmdq ends, or has ended.
func ending(err error) bool {
	var word *web.Error
	return errors.Is(err, web.ErrNotRunning) || errors.As(err, &word) && word.Code == web.CodeEnding
}

// unsure is told for what may have been done, though nobody said so.
func (v *verb) unsure(err error) error {
	if errors.Is(err, web.ErrNotRunning) {
		return &exit{exitFailed, fmt.Errorf("the cmdq of %s ended before it answered; what it was asked for may have been done", plain(v.state))}
	}
	return v.told(err)
}

// told gives an error its exit status, and makes it fit for a terminal.
func (v *verb) told(err error) error {
	var status *exit
	var held *lock.HeldError
	var word *web.Error
	switch {
	case err == nil || errors.As(err, &status):
		return err
	case errors.As(err, &held):
		return &exit{exitFailed, fmt.Errorf("%s, but answers nothing", plain(held.Error()))}
	case errors.Is(err, web.ErrNotRunning):
		return &exit{exitFailed, fmt.Errorf("no cmdq is running with %s any more", plain(v.state))}
	case errors.As(err, &word) && word.Code == web.CodeBadRequest:
		return usage("%s", plain(word.Message))
	}
	return &exit{exitFailed, errors.New(plain(err.Error()))}
}

// print writes what a verb has to say: the answer in JSON, or words made of it.
func (v *verb) print(cmd *cobra.Command, answer any, words func(*paper)) error {
	out := cmd.OutOrStdout()
	p := newPaper(out)
	p.kept = v.kept
	if v.json {
		if err := writeJSON(&p.text, answer); err != nil {
			return &exit{exitFailed, fmt.Errorf("print: %w", err)}
		}
	} else {
		words(p)
	}
	if _, err := out.Write(p.text.Bytes()); err != nil {
		return &exit{exitFailed, fmt.Errorf("print: %w", err)}
	}
	return nil
}

// writeJSON writes a value as the API does, in one line. What a terminal would
// obey is escaped in it, which changes nothing of what it says.
func writeJSON(w io.Writer, v any) error {
	return encodeJSON(w, v, func(c rune) string {
		if c > 0xFFFF {
			high, low := utf16.EncodeRune(c)
			return fmt.Sprintf(`\u%04x\u%04x`, high, low)
		}
		return fmt.Sprintf(`\u%04x`, c)
	})
}

// encodeJSON writes a value as JSON, in which a function says what stands for a
// character that cannot be seen.
func encodeJSON(w io.Writer, v any, escape func(rune) string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	unseen := func(c rune) bool { return c != '\n' && !unicode.IsGraphic(c) }
	if bytes.IndexFunc(b.Bytes(), unseen) < 0 {
		_, err := w.Write(b.Bytes())
		return err
	}
	out := bufio.NewWriter(w)
	for _, c := range b.String() {
		if unseen(c) {
			out.WriteString(escape(c))
		} else {
			out.WriteRune(c)
		}
	}
	return out.Flush() // remembers the first error
}

// pairs reads KEY=VALUE, each key once.
func pairs(flag string, given []string) (map[string]string, error) {
	m := make(map[string]string, len(given))
	for _, text := range given {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, usage("--%s %q: want KEY=VALUE", flag, text)
		}
		if _, twice := m[key]; twice {
			return nil, usage("--%s: %q is given twice", flag, key)
		}
		m[key] = value
	}
	return m, nil
}

// noWords refuses arguments.
func noWords(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes flags only, not %q (see %[1]s --help)", cmd.CommandPath(), args[0])
	}
	return nil
}

// oneID wants the id of one task.
func oneID(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage("%s takes the id of one task, not %d", cmd.CommandPath(), len(args))
	}
	if args[0] == "" {
		return usage("%s: the id is empty", cmd.CommandPath())
	}
	return nil
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
