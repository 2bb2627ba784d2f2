package mesosapi

import (
	"fmt"
	"net/http"
	"strings"

	"cmdq/wire"
)

// NotSubscribed says that the master does not hold us for subscribed on this
// stream any more: subscribe again. Offers and queued calls are void.
type NotSubscribed struct {
	Addr    string // host:port that said so
	Status  int    // its HTTP status: 403, 400 or 307
	Message string // its words, one printable line, at most 4 KB
}

func (e *NotSubscribed) Error() string {
	return fmt.Sprintf("master %s: not subscribed: %s", e.Addr, status(e.Status, e.Message))
}

// Refused says that the master understood and does not want it. The same
// request will be refused again.
type Refused struct {
	Status  int    // HTTP status; 0: the call could not be encoded and was never sent
	Realm   string // of a 401: what asks for credentials, such as mesos-master-scheduler
	Message string // the master's words, one printable line, at most 4 KB
	Addr    string // host:port that said so
}

func (e *Refused) Error() string {
	words := e.Message
	if e.Status != 0 {
		words = status(e.Status, words)
	}
	if e.Realm != "" {
		words += fmt.Sprintf(" (realm %q)", e.Realm)
	}
	return fmt.Sprintf("master %s: refused: %s", e.Addr, words)
}

// Unreachable says that there was no usable answer, or no usable stream. Trying
// again later may help. Unwrap gives the cause.
type Unreachable struct {
	Addr string // host:port that was tried
	Err  error
}

func (e *Unreachable) Error() string { return fmt.Sprintf("master %s: %v", e.Addr, e.Err) }

// Unwrap gives the cause, such as a *net.OpError or io.EOF.
func (e *Unreachable) Unwrap() error { return e.Err }

func status(code int, words string) string {
	name := strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
	if words == "" || strings.TrimSuffix(words, ".") == name { // Mesos says its status again
		return name
	}
	return name + ": " + words
}

// maxWords bounds what is kept of a master's words, in bytes.
const maxWords = 4 << 10

func oneLine(words string) string { return wire.OneLine(words, maxWords) }
