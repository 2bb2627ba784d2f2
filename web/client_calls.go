package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// A Client is a Queue, and Changes, of another process.
var (
	_ Queue   = (*Client)(nil)
	_ Changes = (*Client)(nil)
)

// Version asks who answers.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return read[Version](ctx, c, "/v1/version")
}

// Status implements Queue.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return read[Status](ctx, c, "/v1/status")
}

// Tasks implements Queue.
func (c *Client) Tasks(ctx context.Context, q Query) (Tasks, error) {
	return read[Tasks](ctx, c, "/v1/tasks?"+q.encode())
}

// Task implements Queue.
func (c *Client) Task(ctx context.Context, id string) (Task, error) {
	at, err := taskPath(id)
	if err != nil {
		return Task{}, err
	}
	return read[Task](ctx, c, at)
}

// Explain implements Queue.
func (c *Client) Explain(ctx context.Context, id string) (Explanation, error) {
	at, err := taskPath(id)
	if err != nil {
		return Explanation{}, err
	}
	return read[Explanation](ctx, c, at+"/explain")
}

// Failures implements Queue.
func (c *Client) Failures(ctx context.Context) (Failures, error) {
	return read[Failures](ctx, c, "/v1/failures")
}

// Submit implements Changes. The file has at most 64 MB.
func (c *Client) Submit(ctx context.Context, file []byte, folder string) (Outcome, error) {
	if len(file) > maxFile {
		return Outcome{}, tooLarge(maxFile)
	}
	return c.change(ctx, "/v1/submit?"+url.Values{"folder": {folder}}.Encode(), file)
}

// Cancel implements Changes.
func (c *Client) Cancel(ctx context.Context, s Selection) (Outcome, error) {
	return c.change(ctx, "/v1/cancel", marshal(s))
}

// Retry implements Changes.
func (c *Client) Retry(ctx context.Context, s Selection) (Outcome, error) {
	return c.change(ctx, "/v1/retry", marshal(s))
}

// Hold implements Changes.
func (c *Client) Hold(ctx context.Context, s Selection) (Outcome, error) {
	return c.change(ctx, "/v1/hold", marshal(s))
}

// Release implements Changes.
func (c *Client) Release(ctx context.Context, s Selection) (Outcome, error) {
	return c.change(ctx, "/v1/release", marshal(s))
}

// taskPath is where a task is, whatever its id. No path could say two of those that
// no task has.
func taskPath(id string) (string, error) {
	switch id {
	case "":
		return "", NotFound("there is no task %q", id)
	case "/": // which net/http takes for the end of a path
		return "", NotFound("there is no task /")
	}
	escaped := url.PathEscape(id)
	if id == "." || id == ".." { // which lead elsewhere
		escaped = strings.ReplaceAll(id, ".", "%2e")
	}
	return "/v1/tasks/" + escaped, nil
}

// read gets what a path has.
func read[T any](ctx context.Context, c *Client, path string) (T, error) {
	a, err := c.get(ctx, path)
	return decode[T](a, err)
}

// change asks for a change; what comes of it may take as long as cmdq allows.
func (c *Client) change(ctx context.Context, path string, body []byte) (Outcome, error) {
	a, err := c.ask(ctx, http.MethodPost, path, body, answerTimeout+changeTimeout)
	return decode[Outcome](a, err)
}

// decode reads the one JSON value that an answer is, if there is one, and closes
// it.
func decode[T any](a *answer, err error) (T, error) {
	var v T
	if err != nil {
		return v, err
	}
	defer a.Close()
	text, err := io.ReadAll(io.LimitReader(a, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = fmt.Errorf("it is longer than %d MB", maxAnswer>>20)
	}
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		return v, fmt.Errorf("read what cmdq answers: %w", err)
	}
	return v, nil
}
