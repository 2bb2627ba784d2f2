package mesosapi

import (
	"fmt"
	"strings"

	"cmdq/zookeeper"
)

// apiPath is the scheduler API of a master.
const apiPath = "/master/api/v1/scheduler"

// leaderIn reads the Location of a redirect. Mesos leaves the scheme out on
// purpose: //host:port/path (src/master/http.cpp, redirect). Only a redirect
// that names another master counts: to its scheduler API or to its root, by the
// scheme that we speak ourselves. Anything else is not followed, as credentials
// would go along: never to another service, and never in the clear if we began
// with https.
func leaderIn(location, ours string) (hostport string, err error) {
	fail := func(why string) (string, error) {
		return "", fmt.Errorf("redirected to %q: %s", oneLine(location), why)
	}
	rest := location
	if scheme, after, ok := strings.Cut(location, "://"); ok {
		if scheme != ours {
			return fail("we speak " + ours + " and stay with it")
		}
		rest = after
	} else {
		rest = strings.TrimPrefix(rest, "//")
	}
	path := ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest, path = rest[:i], rest[i:]
	}
	if rest == "" {
		return fail("no leader is named")
	}
	if path != "" && path != "/" && path != apiPath && path != strings.TrimPrefix(apiPath, "/master") {
		return fail("that is no scheduler API")
	}
	hostport, err = zookeeper.HostPort(rest, DefaultPort)
	if err != nil {
		return fail(err.Error())
	}
	return hostport, nil
}
