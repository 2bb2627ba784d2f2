package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"cmdq/wire"
)

// Bounds of what is sent.
const (
	maxFile      = 64 << 20 // bytes, of a tasks file
	maxSelection = 4 << 20  // bytes
	maxFolder    = 4096     // bytes, as Linux has it
)

// postSubmit queues the tasks of a file: POST /v1/submit?folder=DIR. Whether it
// is one, Changes says.
func (a *API) postSubmit(w http.ResponseWriter, r *http.Request) error {
	folder, err := parseFolder(r.URL.RawQuery)
	if err != nil {
		return err
	}
	select {
	case a.submits <- struct{}{}:
		defer func() { <-a.submits }()
	case <-time.After(readTimeout):
		return Busy("cmdq is busy with what others submit")
	case <-r.Context().Done():
		return r.Context().Err()
	}
	file, err := readBody(w, r, maxFile)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(file)) == 0 {
		return BadRequest("the body is empty; want a tasks file")
	}
	return a.outcome(w, r, func(ctx context.Context) (Outcome, error) { return a.Changes.Submit(ctx, file, folder) })
}

func parseFolder(query string) (string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", BadRequest("the query cannot be read")
	}
	for name, given := range values {
		switch {
		case name != "folder":
			return "", BadRequest("there is no parameter %s; want folder", cut(name, 50))
		case len(given) > 1:
			return "", BadRequest("folder is given %d times", len(given))
		}
	}
	folder := values.Get("folder")
	if folder != "" && !filepath.IsAbs(folder) || len(folder) > maxFolder || strings.ContainsRune(folder, 0) {
		return "", BadRequest("folder=%s: want an absolute path", cut(folder, 50))
	}
	return folder, nil
}

// change makes a handler of a change of selected tasks.
func (a *API) change(change func(Changes, context.Context, Selection) (Outcome, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.URL.RawQuery != "" {
			return BadRequest("there are no parameters; what to change is said in the body")
		}
		text, err := readBody(w, r, maxSelection)
		if err != nil {
			return err
		}
		s, err := parseSelection(text)
		if err != nil {
			return err
		}
		return a.outcome(w, r, func(ctx context.Context) (Outcome, error) { return change(a.Changes, ctx, s) })
	}
}

// outcome answers with what came of a change.
func (a *API) outcome(w http.ResponseWriter, r *http.Request, change func(context.Context) (Outcome, error)) error {
	// It fails where writing will.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(changeTimeout + writeTimeout))
	ctx, cancel := context.WithTimeout(r.Context(), changeTimeout)
	defer cancel()
	o, err := change(ctx)
	if err != nil {
		return inTime(ctx, err, "cmdq is busy; what was asked for may still be done")
	}
	o.Changed = list(o.Changed)
	writeJSON(w, http.StatusOK, o)
	return nil
}

// parseSelection reads a Selection and nothing beside it. An error says where.
func parseSelection(text []byte) (Selection, error) {
	var s Selection
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return s, badJSON(text, err)
	}
	var member *wire.Member
	if err := wire.CheckMembers(text, &s); errors.As(err, &member) {
		return s, BadRequest("%s: %s", place(text, member.Offset), cut(member.Error(), 200))
	}
	if rest := bytes.TrimLeft(text[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return s, BadRequest("%s: something stands behind the selection", place(text, int64(len(text)-len(rest))))
	}
	if len(s.IDs) == 0 && len(s.Labels) == 0 && !s.All && !s.Failed && s.Group == "" {
		return s, BadRequest("it selects nothing; want ids, labels, all, failed or group")
	}
	return s, nil
}

// badJSON is what is wrong with a text, and where: at the character that makes it
// wrong, the last one of a wrong value, or the name of an unknown field.
func badJSON(text []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	what, at := strings.TrimPrefix(err.Error(), "json: "), int64(0)
	switch {
	case errors.Is(err, io.EOF):
		return BadRequest("the body is empty; want a selection in JSON")
	case errors.Is(err, io.ErrUnexpectedEOF):
		at, what = int64(len(text)), "it ends too early"
	case errors.As(err, &syntax):
		at = syntax.Offset - 1
	case errors.As(err, &kind):
		at, what = kind.Offset-1, fmt.Sprintf("%s cannot be of the type %s", fieldName(kind.Field), kind.Value)
	default:
		if name, ok := strings.CutPrefix(what, "unknown field "); ok {
			at = int64(bytes.Index(text, []byte(name)))
		}
	}
	return BadRequest("%s: %s", place(text, at), cut(what, 200))
}

func fieldName(field string) string {
	if field == "" {
		return "a selection"
	}
	return field
}

// place says where a byte is, as an editor has it, but that it counts bytes.
func place(text []byte, at int64) string {
	before := text[:min(max(at, 0), int64(len(text)))]
	return fmt.Sprintf("line %d, column %d", 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n'))
}
