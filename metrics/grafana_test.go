package metrics

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// dashboard is what the test looks at of docs/grafana.json.
type dashboard struct {
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ H, W, X, Y int }
		Targets []query
	}
	Templating struct {
		List []struct {
			Name  string
			Query json.RawMessage
		}
	}
}

type query struct{ Expr, LegendFormat string }

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	data, err := os.ReadFile("../docs/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

var (
	metricName = regexp.MustCompile(`\b(cmdq|go|process|promhttp)_[a-z0-9_]+`)
	selector   = regexp.MustCompile(`([a-z0-9_]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+)\s*(=~|!~|!=|=)\s*"`)
	grouping   = regexp.MustCompile(`\bby \(([^)]*)\)`)
	legend     = regexp.MustCompile(`\{\{([a-z_]+)\}\}`)
)

// series is a metric as PromQL names it: histograms have three.
func series(all map[string]*dto.MetricFamily) map[string]*dto.MetricFamily {
	named := map[string]*dto.MetricFamily{}
	for name, f := range all {
		if f.GetType() == dto.MetricType_HISTOGRAM {
			for _, end := range []string{"_bucket", "_sum", "_count"} {
				named[name+end] = f
			}
			continue
		}
		named[name] = f
	}
	return named
}

// has tells whether the metric has a label; Prometheus itself adds instance and job.
func has(name string, f *dto.MetricFamily, label string) bool {
	if label == "instance" || label == "job" || label == "le" && strings.HasSuffix(name, "_bucket") {
		return true
	}
	return slices.ContainsFunc(f.Metric, func(m *dto.Metric) bool {
		return slices.ContainsFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetName() == label })
	})
}

// check finds what is wrong with one query, and notes the metrics that it shows.
func (q query) check(t *testing.T, panel string, known map[string]*dto.MetricFamily, shown map[*dto.MetricFamily]bool) {
	t.Helper()
	expr := q.Expr
	var names []string
	for _, name := range metricName.FindAllString(expr, -1) {
		if known[name] == nil {
			t.Errorf("panel %q: there is no metric %s", panel, name)
			continue
		}
		names, shown[known[name]] = append(names, name), true
	}
	if len(names) == 0 {
		t.Errorf("panel %q asks for no metric: %s", panel, expr)
		return
	}
	for _, s := range selector.FindAllStringSubmatch(expr, -1) {
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			if known[s[1]] != nil && !has(s[1], known[s[1]], m[1]) {
				t.Errorf("panel %q: %s has no label %s", panel, s[1], m[1])
			}
		}
	}
	var labels []string
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		labels = append(labels, strings.Split(strings.ReplaceAll(g[1], " ", ""), ",")...)
	}
	grouped := slices.Clone(labels)
	for _, l := range legend.FindAllStringSubmatch(q.LegendFormat, -1) {
		labels = append(labels, l[1])
		if strings.Contains(expr, "sum") && !slices.Contains(grouped, l[1]) {
			t.Errorf("panel %q: the legend wants %s, by which nothing is grouped", panel, l[1])
		}
	}
	for _, label := range labels {
		if !has(names[0], known[names[0]], label) {
			t.Errorf("panel %q: %s has no label %s", panel, names[0], label)
		}
	}
	if strings.Count(expr, "(") != strings.Count(expr, ")") || strings.Count(expr, "{") != strings.Count(expr, "}") {
		t.Errorf("panel %q: brackets: %s", panel, expr)
	}
	counter := strings.HasSuffix(names[0], "_total") || strings.HasSuffix(names[0], "_bucket")
	if counter && !strings.Contains(expr, "rate(") && !strings.Contains(expr, "increase(") {
		t.Errorf("panel %q shows a counter that only grows: %s", panel, expr)
	}
}

// Every metric of the dashboard is one that cmdq has, with labels that it has; and
// the dashboard shows all that are our own.
func TestDashboard(t *testing.T) {
	r := full()
	fill(r)
	all := families(t, r)
	known, shown := series(all), map[*dto.MetricFamily]bool{}
	d := readDashboard(t)
	count := 0
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			count++
			q.check(t, p.Title, known, shown)
		}
	}
	if count < 15 {
		t.Errorf("only %d queries were looked at", count)
	}
	for _, v := range d.Templating.List {
		for _, name := range metricName.FindAllString(string(v.Query), -1) {
			if known[name] == nil {
				t.Errorf("variable %s: there is no metric %s", v.Name, name)
			}
		}
	}
	for name, f := range all {
		if strings.HasPrefix(name, "cmdq_") && !shown[f] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

// Panels neither share an id nor lie on each other.
func TestDashboardLayout(t *testing.T) {
	taken, ids := map[[2]int]string{}, map[int]bool{}
	for _, p := range readDashboard(t).Panels {
		if ids[p.ID] {
			t.Errorf("panel %q: its id %d is taken", p.Title, p.ID)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.X+g.W > 24 || g.W < 1 || g.H < 1 {
			t.Errorf("panel %q is outside: %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other, ok := taken[[2]int{x, y}]; ok {
					t.Fatalf("panels %q and %q share a place", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// docs/operations.md speaks of no metric that is not there.
func TestOperations(t *testing.T) {
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	r := full()
	fill(r)
	known := series(families(t, r))
	names := metricName.FindAllString(string(text), -1)
	if len(names) < 5 {
		t.Errorf("only %v were found", names)
	}
	for _, name := range names {
		if known[name] == nil {
			t.Errorf("there is no metric %s", name)
		}
	}
}
