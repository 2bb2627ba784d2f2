package web

import (
	"context"
	"net/http"
)

// What may be asked of the queue. No list in an answer is null.

func (a *API) getStatus(ctx context.Context, _ *http.Request) (Status, error) {
	s, err := a.Queue.Status(ctx)
	s.Agents = list(s.Agents)
	return s, err
}

func (a *API) getTasks(ctx context.Context, r *http.Request) (Tasks, error) {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return Tasks{}, err
	}
	t, err := a.Queue.Tasks(ctx, q)
	t.Tasks = list(t.Tasks)
	return t, err
}

func (a *API) getTask(ctx context.Context, r *http.Request) (Task, error) {
	id, err := idOf(r)
	if err != nil {
		return Task{}, err
	}
	t, err := a.Queue.Task(ctx, id)
	t.Launches = list(t.Launches)
	return t, err
}

func (a *API) getExplanation(ctx context.Context, r *http.Request) (Explanation, error) {
	id, err := idOf(r)
	if err != nil {
		return Explanation{}, err
	}
	return a.Queue.Explain(ctx, id)
}

func (a *API) getFailures(ctx context.Context, _ *http.Request) (Failures, error) {
	f, err := a.Queue.Failures(ctx)
	f.Groups = list(f.Groups)
	return f, err
}

// idOf is the id in a path. One that no task can have is not looked for: finding
// what is near to it takes time.
func idOf(r *http.Request) (string, error) {
	id := r.PathValue("id")
	if len(id) > maxID {
		return "", NotFound("there is no task %s…", cut(id, 50))
	}
	return id, nil
}

// list is never nil.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
