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
	CodeBadRequest   = "bad_request"        // it makes no sense
	CodeUnauthorized = "unauthorized"       // the token is missing or wrong
	CodeForbidden    = "forbidden"          // another host was meant, or another site's page asks
	CodeNotFound     = "not_found"          // what it names is not there
	CodeMethod       = "method_not_allowed" // it is there, but takes another method
	CodeConflict     = "conflict"           // it contradicts what is there
	CodeTooLarge     = "too_large"          // more was sent than is taken
	CodeInternal     = "internal"           // cmdq's fault
	CodeBusy         = "busy"               // not now; a change may still be made
	CodeEnding       = "ending"             // cmdq ended while it answered
)

// statuses is the table of codes, and of the HTTP statuses they come with.
var statuses = map[string]int{
	CodeBadRequest:   http.StatusBadRequest,
	CodeUnauthorized: http.StatusUnauthorized,
	CodeForbidden:    http.StatusForbidden,
	CodeNotFound:     http.StatusNotFound,
	CodeMethod:       http.StatusMethodNotAllowed,
	CodeConflict:     http.StatusConflict,
	CodeTooLarge:     http.StatusRequestEntityTooLarge,
	CodeInternal:     http.StatusInternalServerError,
	CodeBusy:         http.StatusServiceUnavailable,
	CodeEnding:       http.StatusServiceUnavailable,
}

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

// Conflict is for a request that contradicts what is there.
func Conflict(format string, args ...any) error {
	return &Error{CodeConflict, fmt.Sprintf(format, args...)}
}

// Busy is for a request that cannot be answered now.
func Busy(format string, args ...any) error {
	return &Error{CodeBusy, fmt.Sprintf(format, args...)}
}

// status chooses the status of an answer.
func (e *Error) status() int {
	if status, ok := statuses[e.Code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// errorBody is the shape of an Error in an answer.
type errorBody struct {
	Error *Error `json:"error"`
}

// told is what a client is told of an error.
func told(ctx context.Context, err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
	case errors.Is(context.Cause(ctx), errEnding):
		e = errEnding // whatever came of that
	case callerOf(ctx).remote:
		e = &Error{CodeInternal, "something went wrong in cmdq; its log says what"} // and API.tell says it there
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

func writeError(w http.ResponseWriter, e *Error) {
	switch e.Code {
	case CodeUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="cmdq"`)
	case CodeBusy:
		w.Header().Set("Retry-After", "5")
	}
	writeJSON(w, e.status(), errorBody{e})
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
