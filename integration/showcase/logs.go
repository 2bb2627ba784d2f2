package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"cmdq/web"
)

// logs is what the made-up tasks have written.
type logs struct{ q *queue }

const hostileOutput = "<script>document.title = 'owned'</script>\n<img src=x onerror=alert(1)>\n" +
	"\x1b[2J\x1b[31mred\x1b[0m \x1b]0;owned\x07 \u202etxt.exe\u202c\rover\r\n\x00\xff\xfe done\n"

func (l logs) Log(ctx context.Context, request web.LogRequest) (*web.Output, error) {
	t, err := l.q.Task(ctx, request.Task)
	if err != nil {
		return nil, err
	}
	if len(t.Launches) == 0 {
		return nil, web.NotFound("task %s has not been launched", request.Task)
	}
	wrote := hostileOutput
	if request.Stream == web.Stderr {
		wrote = t.Stderr
	}
	if !request.Follow || over(&t.Row) {
		return output(strings.NewReader(wrote)), nil
	}
	return output(io.MultiReader(strings.NewReader(wrote), &ticks{ctx: ctx, l: l, id: request.Task, quiet: request.Stream == web.Stderr})), nil
}

// ticks is a line every tenth of a second while a task runs, or only the end of
// it.
type ticks struct {
	ctx   context.Context
	l     logs
	id    string
	quiet bool
	n     int
}

func (t *ticks) Read(p []byte) (int, error) {
	select {
	case <-t.ctx.Done():
		return 0, t.ctx.Err()
	case <-time.After(100 * time.Millisecond):
	}
	task, err := t.l.q.Task(t.ctx, t.id)
	if err != nil || over(&task.Row) {
		return 0, io.EOF
	}
	if t.quiet {
		return 0, nil
	}
	t.n++
	return copy(p, fmt.Sprintf("tick %d of %s\n", t.n, t.id)), nil
}

func output(r io.Reader) *web.Output { return &web.Output{ReadCloser: io.NopCloser(r), From: -1} }
