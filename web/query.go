package web

import (
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The rows of a page: if a Query does not say, and at most.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// StateNames are what Query.States may hold, and SortNames what Query.Sort.
var (
	StateNames = []string{"idle", "starting", "running", "fetching", "finished", "failed", "killed", "held", "waiting", "delayed"}
	SortNames  = []string{"order", "id", "state", "submitted", "started", "ended", "attempts"}
)

// Check finds what is wrong with a query, in the words of the API.
func (q *Query) Check() error {
	for _, s := range q.States {
		if !slices.Contains(StateNames, s) {
			return BadRequest("there is no state %s; want %s", cut(s, 50), or(StateNames))
		}
	}
	if q.Sort != "" && !slices.Contains(SortNames, strings.TrimPrefix(q.Sort, "-")) {
		return BadRequest("nothing is sorted by %s; want %s, or one of them behind a -", cut(q.Sort, 50), or(SortNames))
	}
	if _, err := path.Match(q.Match, ""); err != nil {
		return BadRequest("match=%s is no pattern", cut(q.Match, 50))
	}
	if q.Offset < 0 {
		return BadRequest("offset=%d makes no sense", q.Offset)
	}
	if q.Limit < 0 || q.Limit > MaxLimit {
		return BadRequest("limit=%d: want 1 to %d", q.Limit, MaxLimit)
	}
	return nil
}

// parseQuery reads the query of a request for a list. What it does not know is
// an error: it may be a slip. Limit is never 0.
func parseQuery(query string) (Query, error) {
	var q Query
	values, err := url.ParseQuery(query)
	if err != nil {
		return q, BadRequest("the query cannot be read")
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := q.set(name, values[name]); err != nil {
			return q, err
		}
	}
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	return q, q.Check()
}

// set takes a parameter in. States may be given several at a time, and so may
// labels; all else once.
func (q *Query) set(name string, given []string) error {
	switch name {
	case "state":
		for _, v := range given {
			q.States = append(q.States, strings.Split(v, ",")...)
		}
		return nil
	case "label":
		q.Labels = map[string]string{}
		for _, v := range given {
			key, value, ok := strings.Cut(v, "=")
			if _, twice := q.Labels[key]; !ok || key == "" || twice {
				return BadRequest("label=%s makes no sense; want KEY=VALUE, each key once", cut(v, 50))
			}
			q.Labels[key] = value
		}
		return nil
	}
	if len(given) > 1 {
		return BadRequest("%s is given %d times", cut(name, 50), len(given))
	}
	value, ok := given[0], true
	switch name {
	case "group":
		q.Group = value
	case "agent":
		q.Agent = value
	case "match":
		q.Match = value
	case "sort":
		q.Sort = value
	case "after":
		q.After = value
	case "offset":
		q.Offset, ok = number(value, 0)
	case "limit":
		q.Limit, ok = number(value, 1)
	default:
		return BadRequest("there is no parameter %s; want state, label, group, agent, match, sort, after, offset or limit", cut(name, 50))
	}
	if !ok {
		return BadRequest("%s=%s makes no sense", name, cut(value, 50))
	}
	return nil
}

// encode is what parseQuery reads.
func (q Query) encode() string {
	v := url.Values{}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("state", strings.Join(q.States, ","))
	for _, key := range slices.Sorted(maps.Keys(q.Labels)) {
		v.Add("label", key+"="+q.Labels[key])
	}
	set("group", q.Group)
	set("agent", q.Agent)
	set("match", q.Match)
	set("sort", q.Sort)
	set("after", q.After)
	if q.Offset != 0 {
		set("offset", strconv.Itoa(q.Offset))
	}
	if q.Limit != 0 {
		set("limit", strconv.Itoa(q.Limit))
	}
	return v.Encode()
}

// or lists words: a, b or c.
func or(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
