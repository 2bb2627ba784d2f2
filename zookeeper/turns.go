package zookeeper

// turns gives the servers in turn, by name: names are looked up at each try, and
// one that has no address does not spoil the others. Only the library's loop
// uses it.
type turns struct {
	servers  []string
	at       int
	attempts int // since the last that was good
}

func (t *turns) Init(servers []string) error {
	t.servers = servers // at least one: the library has looked
	return nil
}

func (t *turns) Len() int { return len(t.servers) }

// Next gives the next server; pause says that all had their turn, so that the
// library gives up what waits and rests for a second.
func (t *turns) Next() (server string, pause bool) {
	pause = t.attempts > 0 && t.attempts%len(t.servers) == 0
	t.attempts++
	server = t.servers[t.at]
	t.at = (t.at + 1) % len(t.servers)
	return server, pause
}

// Connected begins to count anew; a server that takes us and lets us go at once
// must not be asked without a pause.
func (t *turns) Connected() { t.attempts = 1 }
