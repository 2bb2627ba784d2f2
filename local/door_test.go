package local

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// allRoutes lists a concrete address for every route of a cluster's master and
// of one agent, also of those that are yet to be written.
func allRoutes(c *Cluster) []string {
	var list []string
	wild := regexp.MustCompile(`\{[^}]*\}`)
	add := func(addr string, h http.Handler) {
		for _, pattern := range h.(*routes).patterns {
			_, p, ok := strings.Cut(pattern, " ") // there may be a method
			if !ok {
				p = pattern
			}
			list = append(list, "http://"+addr+wild.ReplaceAllString(strings.ReplaceAll(p, "{$}", ""), "x"))
		}
		list = append(list, "http://"+addr+"/no/such")
	}
	master := c.master.handler()
	if c.cfg.Chaos {
		c.addChaos(master)
	}
	add(c.Addr(), master)
	add(c.agents[0].addr.String(), c.agents[0].handler())
	return list
}

func split(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func isPublic(u *url.URL) bool {
	name := path.Base(u.Path)
	return name == "health" || name == "version"
}

// TestStrangers sends what a page of another site could send to every route,
// with the secret, which a browser adds.
func TestStrangers(t *testing.T) {
	const secret = "s3cret/+ é"
	c := startCluster(t, Config{Secret: secret, Chaos: true})
	for _, address := range allRoutes(c) {
		u := split(t, address)
		refused := [][]string{
			{"Host", "evil.example"}, {"Host", "evil.example:" + u.Port()}, {"Host", "127.0.0.1:1"}, {"Host", "localhost"}, {"Host", "localhost.evil.example:" + u.Port()},
			{"Origin", "http://evil.example"}, {"Origin", "null"}, {"Origin", "https://" + u.Host}, {"Origin", "http://127.0.0.1:1"},
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", ""},
			{"Origin", "http://" + u.Host, "Origin", "http://evil.example"},
		}
		for _, h := range refused {
			for _, method := range []string{"GET", "POST", "OPTIONS"} {
				all := append([]string{"Authorization", "Bearer " + secret, "Content-Type", "application/x-www-form-urlencoded"}, h...)
				if status, _, _ := ask(t, method, address, "frameworkId=x", all...); status != 403 {
					t.Errorf("%s %s with %q: %d, want 403", method, address, h, status)
				}
			}
		}
	}
}

// TestNoScripts: no route answers in a form that another site could read.
func TestNoScripts(t *testing.T) {
	c := startCluster(t, Config{Chaos: true})
	for _, address := range allRoutes(c) {
		status, header, body := ask(t, "GET", address+"?jsonp=alert", "")
		if strings.Contains(string(body), "alert(") || header.Get("Access-Control-Allow-Origin") != "" || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d, %v, %.40s", address, status, header, body)
		}
		if status, header, _ := ask(t, "OPTIONS", address, ""); status != 405 && status != 404 || header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("OPTIONS %s: %d", address, status)
		}
	}
}

// TestSecret tries every route with and without the secret.
func TestSecret(t *testing.T) {
	const secret = "s3cret/+ é"
	c := startCluster(t, Config{Secret: secret, Chaos: true})
	_, port, _ := strings.Cut(c.Addr(), ":")
	bearer := []string{"Authorization", "Bearer " + secret}
	for _, address := range allRoutes(c) {
		u := split(t, address)
		for _, h := range [][]string{{}, {"Authorization", "Bearer x"}, {"Authorization", "Bearer "}, {"Authorization", secret}, {"Authorization", "Basic " + secret},
			{"Cookie", "cmdq-" + port + "=x"}, {"Cookie", "cmdq-" + port + "="}, {"Cookie", "cmdq-1=" + url.QueryEscape(secret)}} {
			if status, _, _ := ask(t, "GET", address, "", h...); (status == 401) == isPublic(u) {
				t.Errorf("%s with %q: %d", address, h, status)
			}
		}
		if strings.HasSuffix(u.Path, "/api/v1/executor") {
			if status, _, _ := ask(t, "POST", address, "", bearer...); status != 401 {
				t.Errorf("%s with the secret, and not an executor's token: %d", address, status)
			}
			continue
		}
		for _, h := range [][]string{bearer, {"Cookie", "cmdq-" + port + "=" + url.QueryEscape(secret)},
			append([]string{"Origin", "http://" + u.Host, "Sec-Fetch-Site", "same-origin"}, bearer...),
			append([]string{"Host", "LOCALHOST:" + u.Port(), "Sec-Fetch-Site", "none"}, bearer...),
			append([]string{"Host", "[::1]:" + u.Port()}, bearer...), append([]string{"Host", "127.0.0.1"}, bearer...)} {
			if status, _, _ := ask(t, "GET", address, "", h...); status == 401 || status == 403 {
				t.Errorf("%s with %q: %d", address, h, status)
			}
		}
	}
}

func basic(plain string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(plain))}
}

// TestCredentials tries every route with good and bad credentials.
func TestCredentials(t *testing.T) {
	credentials, err := parseCredentials([]byte(`{"credentials": [{"principal": "ann", "secret": "one"}, {"principal": "bob", "secret": "two"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c := startCluster(t, Config{Credentials: credentials, Chaos: true})
	realms := map[string]bool{}
	for _, address := range allRoutes(c) {
		u := split(t, address)
		for _, h := range [][]string{{}, basic("ann:two"), basic("ann:"), basic(":one"), basic("ann"), basic("eve:one"), basic("ann:one:"), basic(":"),
			{"Authorization", "Basic ann:one"}, {"Authorization", "basic " + basic("ann:one")[1][6:]}, {"Authorization", "Bearer one"}} {
			status, header, body := ask(t, "GET", address, "", h...)
			if (status == 401) == isPublic(u) {
				t.Errorf("%s with %q: %d", address, h, status)
			}
			if challenge := header.Get("WWW-Authenticate"); status == 401 {
				realms[challenge] = true
			}
			if strings.Contains(string(body), "one") {
				t.Errorf("%s: the answer tells a secret", address)
			}
		}
		status, _, _ := ask(t, "GET", address, "", basic("ann:one")...)
		if executors := strings.HasSuffix(u.Path, "/api/v1/executor"); status == 403 || (status == 401) != executors {
			t.Errorf("%s with good credentials: %d", address, status)
		}
	}
	for _, want := range []string{"mesos-master-scheduler", "mesos-master-readonly", "mesos-master-readwrite", "mesos-agent-readonly", "mesos-agent-readwrite"} {
		if !realms[`Basic realm="`+want+`"`] {
			t.Errorf("nothing asks for credentials of %s: %v", want, realms)
		}
	}
}

func TestRealms(t *testing.T) {
	for _, tt := range []struct{ side, path, want string }{
		{sideMaster, "/api/v1/scheduler", "mesos-master-scheduler"}, {sideMaster, "/master/api/v1/scheduler", "mesos-master-scheduler"},
		{sideMaster, "/api/v1", "mesos-master-readwrite"}, {sideMaster, "/master/teardown", "mesos-master-readwrite"}, {sideMaster, "/chaos/x", "mesos-master-readwrite"},
		{sideMaster, "/state", "mesos-master-readonly"}, {sideMaster, "/api/v1/executor", "mesos-master-readonly"}, {sideMaster, "//health", "mesos-master-readonly"},
		{sideMaster, "/health/", "mesos-master-readonly"}, {sideMaster, "/slave(1)/health", "mesos-master-readonly"}, {sideMaster, "/master/version", ""},
		{sideAgent, "/api/v1", "mesos-agent-readwrite"}, {sideAgent, "/slave(1)/state", "mesos-agent-readonly"}, {sideAgent, "/slave(1)/health", ""},
		{sideAgent, "/slave(1)/api/v1/executor", ""}, {sideAgent, "/api/v1/executor/", "mesos-agent-readonly"}, {sideAgent, "/api/v1/scheduler", "mesos-agent-readonly"},
	} {
		if got := realmOf(tt.side, tt.path); got != tt.want {
			t.Errorf("%s%s is in %q, want %q", tt.side, tt.path, got, tt.want)
		}
	}
}

// TestPrincipals: a framework is who it authenticated as.
func TestPrincipals(t *testing.T) {
	credentials, err := parseCredentials([]byte(`{"credentials": [{"principal": "ann", "secret": "one"}, {"principal": "bob", "secret": "two"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c := startCluster(t, Config{Credentials: credentials})
	at := "http://" + c.Addr() + "/api/v1/scheduler"
	kind := []string{"Content-Type", "application/json"}
	info := func(more string) string {
		return `{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"` + more + `}}}`
	}
	if status, _, body := ask(t, "POST", at, info(`,"principal":"bob"`), append(basic("ann:one"), kind...)...); status != 400 {
		t.Errorf("another's principal: %d %s", status, body)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", at, strings.NewReader(info(`,"failover_timeout":100`)))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range slices.Collect(slices.Chunk(append(basic("ann:one"), kind...), 2)) {
		req.Header.Set(h[0], h[1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	defer resp.Body.Close()
	var id, principal string
	c.master.box.call(func() {
		for _, f := range c.master.frameworks {
			id, principal = f.id, f.info.GetPrincipal()
		}
	})
	if principal != "ann" {
		t.Errorf("the framework's principal is %q", principal)
	}
	revive := `{"type":"REVIVE","framework_id":{"value":"` + id + `"}}`
	for who, want := range map[string]int{"ann:one": 202, "bob:two": 400, "bob:one": 401} {
		h := append(append(basic(who), kind...), "Mesos-Stream-Id", resp.Header.Get("Mesos-Stream-Id"))
		if status, _, body := ask(t, "POST", at, revive, h...); status != want {
			t.Errorf("REVIVE by %s: %d %s, want %d", who, status, body, want)
		}
	}
}

// TestRemote: other machines are let in only where they have to say who they
// are.
func TestRemote(t *testing.T) {
	some := &Credentials{}
	for _, tt := range []struct {
		cfg Config
		ok  bool
	}{
		{Config{IP: "127.0.0.1"}, true}, {Config{IP: "::1"}, true}, {Config{IP: "127.3.2.1"}, true}, {Config{IP: "192.0.2.1"}, false},
		{Config{IP: "192.0.2.1", Credentials: some}, false}, {Config{IP: "192.0.2.1", AllowRemote: true}, false},
		{Config{IP: "127.0.0.1", AllowRemote: true}, false}, {Config{IP: "192.0.2.1", AllowRemote: true, Credentials: some}, true},
		{Config{IP: "192.0.2.1", AllowRemote: true, Secret: "x"}, false},
		{Config{IP: "0.0.0.0", AllowRemote: true, Credentials: some}, false}, {Config{IP: "::", AllowRemote: true, Credentials: some}, false},
	} {
		if err := tt.cfg.checkIP(); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.cfg, err)
		}
	}
}
