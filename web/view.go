package web

import "context"

// What the API tells and takes. These types are its JSON, and openapi.json
// describes them; times are RFC 3339 with milliseconds, in UTC.

// Queue is what the API is about. Its methods may be called by many goroutines,
// wait no longer than ctx, and return an *Error for what a caller did wrong.
type Queue interface {
	Status(ctx context.Context) (Status, error)
	Tasks(ctx context.Context, q Query) (Tasks, error)
	Task(ctx context.Context, id string) (Task, error)
	Explain(ctx context.Context, id string) (Explanation, error)
	Failures(ctx context.Context) (Failures, error)
}

// Changes are what somebody may ask of the queue. An answer tells what is on disk
// already.
type Changes interface {
	// Submit queues the tasks of a file as tasks.yaml is written. Paths in it
	// begin in folder. A task that is there and says the same is left alone; one
	// that says something else is an error, and nothing is queued.
	Submit(ctx context.Context, file []byte, folder string) (Outcome, error)
	Cancel(ctx context.Context, s Selection) (Outcome, error)
	Retry(ctx context.Context, s Selection) (Outcome, error)
	Hold(ctx context.Context, s Selection) (Outcome, error)
	Release(ctx context.Context, s Selection) (Outcome, error)
}

// Status is how far the queue is.
type Status struct {
	Version    string         `json:"version"`
	PID        int            `json:"pid,omitempty"` // of the cmdq that runs; 0: none, and this is from the journal
	Began      string         `json:"began"`
	File       string         `json:"file"`
	FileUnused string         `json:"file_unused,omitempty"` // why the file is not used as it is now
	Address    string         `json:"address,omitempty"`     // of our own page, at --listen
	Master     string         `json:"master"`
	Page       string         `json:"page,omitempty"` // of Mesos
	Framework  string         `json:"framework"`
	Connected  bool           `json:"connected"`
	Tasks      int            `json:"tasks"`
	States     map[string]int `json:"states"`            // every state of a task, also with 0; the sum is Tasks
	Held       int            `json:"held"`              // of the idle ones
	Waiting    int            `json:"waiting"`           // of the idle ones: for other tasks
	Delayed    int            `json:"delayed"`           // of the idle ones: for their next attempt
	Rate       float64        `json:"rate"`              // tasks that ended, a second, in the last minute
	Left       *float64       `json:"left"`              // seconds until all have ended; null: not known
	Suppressed bool           `json:"suppressed"`        // no offers are wanted
	Offered    string         `json:"offered,omitempty"` // when offers last came
	Agents     []Agent        `json:"agents"`
	MoreAgents int            `json:"more_agents,omitempty"` // left out of Agents; only in an event
	Holdup     string         `json:"holdup,omitempty"`      // what holds the queue up, in words
}

// Agent is an agent as it was last seen.
type Agent struct {
	ID      string    `json:"id"`
	Host    string    `json:"host"`
	Name    string    `json:"name"`           // its host, with the end of its id where several agents have that host
	Seen    string    `json:"seen,omitempty"` // when it last made an offer
	Offered Resources `json:"offered"`        // what that had
	Used    Resources `json:"used"`           // by our tasks there
	Largest Resources `json:"largest"`        // the most it was seen to have
	Tasks   int       `json:"tasks"`          // of ours, active
	Note    string    `json:"note,omitempty"` // lost; left alone until …
}

// Resources are cpus, MB of memory and of disk, gpus.
type Resources struct {
	CPUs float64 `json:"cpus"`
	Mem  int64   `json:"mem"`
	Disk int64   `json:"disk,omitempty"`
	GPUs int64   `json:"gpus,omitempty"`
}

// Query selects tasks for a list. Zero values select all.
type Query struct {
	States []string          // names of states; also held, waiting, delayed
	Labels map[string]string // all of them
	Group  string
	Agent  string // its id or host
	Match  string // a pattern as path.Match has it, for the id
	Sort   string // order (the default), id, state, submitted, started, ended, attempts; "-" in front turns it around
	After  string // only what comes after the task with this id; as it stands now
	Offset int
	Limit  int // 0: 100; at most 1,000
}

// Tasks is a page of a list.
type Tasks struct {
	Tasks []Row `json:"tasks"`
	Total int   `json:"total"` // that match, on all pages
}

// Row is a task in a list.
type Row struct {
	ID        string            `json:"id"`
	State     string            `json:"state"`           // idle, starting, running, fetching, finished, failed, killed
	Waits     string            `json:"waits,omitempty"` // of an idle one: held, waiting, delayed; empty: ready
	Command   string            `json:"command"`         // cut to 200 bytes
	Group     string            `json:"group,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Priority  int               `json:"priority,omitempty"`
	Attempts  int               `json:"attempts"`
	Host      string            `json:"host,omitempty"` // of the last launch
	Submitted string            `json:"submitted"`
	Started   string            `json:"started,omitempty"` // the last launch
	Ended     string            `json:"ended,omitempty"`
	ExitCode  *int              `json:"exit_code,omitempty"`
	Signal    string            `json:"signal,omitempty"`
	Reason    string            `json:"reason,omitempty"`
	Message   string            `json:"message,omitempty"`
}

// Task is all there is to know of one. The values of its environment are not.
type Task struct {
	Row
	Name        string     `json:"name"`
	Argv        []string   `json:"argv,omitempty"` // instead of Command
	Line        string     `json:"line,omitempty"` // of its list
	Resources   Resources  `json:"resources"`
	Env         []string   `json:"env,omitempty"` // names
	User        string     `json:"user,omitempty"`
	Retries     int        `json:"retries"`
	Timeout     string     `json:"timeout,omitempty"`
	KillGrace   string     `json:"kill_grace"`
	URIs        []string   `json:"uris,omitempty"`
	Files       []string   `json:"files,omitempty"`
	Outputs     []string   `json:"outputs,omitempty"`
	After       []string   `json:"after,omitempty"`
	Constraints []string   `json:"constraints,omitempty"`
	Ports       int        `json:"ports,omitempty"` // how many it wants
	Role        string     `json:"role,omitempty"`  // whose resources it takes, if the task says
	Container   *Container `json:"container,omitempty"`
	Executor    string     `json:"executor"`
	Wake        string     `json:"wake,omitempty"` // of a delayed one
	Charged     int        `json:"charged"`        // failures that used up retries
	Infra       int        `json:"infra"`          // failures of the cluster
	Stderr      string     `json:"stderr_tail,omitempty"`
	Launches    []Launch   `json:"launches"` // the last ones, oldest first
}

// Container is what a command runs in.
type Container struct {
	Image   string   `json:"image"`
	Type    string   `json:"type"`              // mesos, docker
	Volumes []string `json:"volumes,omitempty"` // /on/the/agent:/in/the/container, and perhaps :ro
}

// Launch is one launch of a task.
type Launch struct {
	Number    int    `json:"number"`
	ID        string `json:"id"` // of the Mesos task
	Agent     string `json:"agent"`
	Host      string `json:"host"`
	Framework string `json:"framework"`
	Executor  string `json:"executor,omitempty"`
	Ports     []int  `json:"ports,omitempty"`    // of the agent: PORT0, PORT1 and so on
	Queued    string `json:"queued,omitempty"`   // when the task was submitted, tried again, or its launch before was over
	Offered   string `json:"offered"`            // when it was decided, in the step that took the offer
	Starting  string `json:"starting,omitempty"` // when its executor began with it
	Running   string `json:"running,omitempty"`
	Ended     string `json:"ended,omitempty"`
	State     string `json:"state,omitempty"` // of Mesos
	Reason    string `json:"reason,omitempty"`
	Message   string `json:"message,omitempty"`
	ExitCode  *int   `json:"exit_code,omitempty"`
	Signal    string `json:"signal,omitempty"`
	MayRun    bool   `json:"may_still_run,omitempty"`
	Sandbox   string `json:"sandbox,omitempty"` // where it is: with --master local a path on the machine of cmdq, else an address of the master's page, which is that of its executor, if it has one
}

// Explanation says why a task is where it is.
type Explanation struct {
	ID       string   `json:"id"`
	State    string   `json:"state"`
	Code     string   `json:"code"` // held, waiting, delayed, capped, no-offers, disconnected, too-large, constraint, resting, full, ready, active, fetching, ended, suppressed
	Text     string   `json:"text"` // one sentence
	Evidence []string `json:"evidence,omitempty"`
}

// Failures are the tasks that failed or were killed, those alike together.
type Failures struct {
	Groups []Failure `json:"groups"` // the largest first
	Tasks  int       `json:"tasks"`  // in all groups
}

// Failure is a group of failures.
type Failure struct {
	Key      string `json:"key"` // names it to retry
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	ExitCode *int   `json:"exit_code,omitempty"`
	Signal   string `json:"signal,omitempty"`
	Line     string `json:"line,omitempty"` // the last one of standard error, numbers and paths blurred
	Count    int    `json:"count"`
	Example  string `json:"example"` // the id of one of them
	Retry    string `json:"retry"`   // the command line that queues them again
}

// Selection names tasks to change: all that fit any of its parts.
type Selection struct {
	IDs    []string          `json:"ids,omitempty"`
	Labels map[string]string `json:"labels,omitempty"` // those that have all of them
	All    bool              `json:"all,omitempty"`
	Failed bool              `json:"failed,omitempty"` // that did not finish
	Group  string            `json:"group,omitempty"`  // Failure.Key
}

// Outcome is what came of a change.
type Outcome struct {
	Changed []string `json:"changed"`         // ids, the first 1,000
	Count   int      `json:"count"`           // of all that changed
	Notes   []Note   `json:"notes,omitempty"` // why others did not, the first 100
}

// Note says why a task was left alone, such as one that had ended.
type Note struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// Event is one thing of /v1/events: a task that changed, or now and then the
// status, or that some were left out. Exactly one of them is set.
type Event struct {
	Task   *Row    `json:"task,omitempty"`
	Status *Status `json:"status,omitempty"`
	Reset  bool    `json:"reset,omitempty"` // what is known may be old: ask for all of it again
}
