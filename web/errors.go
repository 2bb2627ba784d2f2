package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
)

// The codes of errors.
const (
	CodeBadRequest = "bad_request"
	CodeNotFound   = "not_found"
	CodeEnding     = "ending" // cmdq ended while it answered
	CodeInternal   = "internal"
)

// maxMessage bounds the text of an error, in bytes. In a trailer, where quotes
// take two, Go's client takes no more than 4096.
const maxMessage = 1500

// Error is what a client is told instead of an answer, or at the end of one:
//
//	{"error":{"code":"not_found","message":"there is no task x"}}
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Message }

// NotFound is for what a request names and is not there.
func NotFound(format string, args ...any) error {
	return &Error{CodeNotFound, fmt.Sprintf(format, args...)}
}

// BadRequest is for a request that makes no sense.
func BadRequest(format string, args ...any) error {
	return &Error{CodeBadRequest, fmt.Sprintf(format, args...)}
}

// status chooses the status of an answer.
func (e *Error) status() int {
	switch e.Code {
	case CodeBadRequest:
		return http.StatusBadRequest
	case CodeNotFound:
		return http.StatusNotFound
	case CodeEnding:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// wire is the shape of an Error in an answer.
type wire struct {
	Error *Error `json:"error"`
}

// told is what a client is told of an error.
func told(ctx context.Context, err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
	case errors.Is(context.Cause(ctx), errEnding):
		e = errEnding // whatever came of that
	default:
		e = &Error{CodeInternal, err.Error()}
	}
	return &Error{e.Code, cut(e.Message, maxMessage)}
}

// cut bounds a text, between characters, and makes it one line that a header
// and a terminal take.
func cut(text string, most int) string {
	if len(text) > most {
		text = text[:most]
	}
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, ""))
}

func writeError(w http.ResponseWriter, r *http.Request, err error) {
	e := told(r.Context(), err)
	writeJSON(w, e.status(), wire{e})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text := marshal(v)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // it fails when the client has gone
}

// marshal is v in JSON, one line, without what encoding/json does for HTML.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // all that we answer with can be said in JSON
	}
	return b.Bytes()
}
