package task

// State is where a task stands in its life. The zero value is Idle.
//
//	Idle ──launch──▶ Starting ──up──▶ Running ──end──▶ Finished | Failed | Killed
//	  ▲                 │                │                         ▲
//	  │                 │                └───────▶ Fetching ───────┘
//	  └─────retry───────┴────────────────────────────┘
//
// docs/states.md says which status update moves a task where.
type State uint8

// The states of a task.
const (
	Idle     State = iota // queued; ready, or waiting for its next attempt
	Starting              // a launch was decided; the command is not known to be up
	Running               // the command is up
	Finished              // ended with exit status 0
	Failed                // ended otherwise, and not tried again
	Killed                // ended because somebody asked for it

	// Fetching: the command has ended, and what it left in its sandbox is being
	// fetched. Task.End says how it ends if that goes well.
	Fetching

	NumStates = int(Fetching) + 1
)

var stateNames = [NumStates]string{"idle", "starting", "running", "finished", "failed", "killed", "fetching"}

func (s State) String() string { return stateNames[s] }

// Terminal tells that the task will never change again by itself.
func (s State) Terminal() bool { return s >= Finished && s <= Killed }

// Active tells that a launch of the task is or may be on an agent.
func (s State) Active() bool { return s == Starting || s == Running }

var next = [NumStates][]State{
	Idle:     {Starting, Finished, Failed, Killed, Fetching}, // Finished: an older launch that was given up ended well after all
	Starting: {Running, Finished, Failed, Killed, Idle, Fetching},
	Running:  {Finished, Failed, Killed, Idle, Fetching},
	Fetching: {Finished, Failed, Killed, Idle},
}

// CanBecome tells whether the step from s to t is one of the diagram.
func (s State) CanBecome(t State) bool {
	for _, n := range next[s] {
		if n == t {
			return true
		}
	}
	return false
}
