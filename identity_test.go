package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	mesosv1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"

	"cmdq/local"
	"cmdq/mesosapi"
)

// identify reads the flags as cmdq does.
func identify(t *testing.T, master string, args ...string) (*identityFlags, mesosapi.Masters, error) {
	t.Helper()
	i := new(identityFlags)
	f := pflag.NewFlagSet("cmdq", pflag.ContinueOnError)
	i.register(f)
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	var masters mesosapi.Masters
	if master != "local" {
		var err error
		if masters, err = mesosapi.ParseMasters(master); err != nil {
			t.Fatal(err)
		}
	}
	return i, masters, i.check(f, masters, master == "local")
}

// put makes a file with these permissions, whatever the umask.
func put(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestIdentityRefused(t *testing.T) {
	good, bad := put(t, "secret", "hush\n", 0o600), newAuthority(t)
	cert, key := bad.issue(t, "client", x509.ExtKeyUsageClientAuth)
	_, otherKey := bad.issue(t, "other", x509.ExtKeyUsageClientAuth)
	ca := put(t, "ca.pem", bad.pem, 0o644)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	secretIn := func(text string, mode os.FileMode) string {
		return "m --principal ann --secret-file " + put(t, "secret", text, mode)
	}
	for args, words := range map[string]string{
		"m --principal ann":                              "--principal needs --secret-file",
		"m --secret-file " + good:                        "--secret-file needs --principal",
		"m --principal= --secret-file " + good:           "--principal is empty",
		"m --principal ann --secret-file=":               "--secret-file is empty",
		"m --principal a:n --secret-file " + good:        "colon",
		"m --principal a\x01n --secret-file " + good:     "printable",
		"local --principal ann --secret-file " + good:    "--principal is for a cluster's master",
		"local --ca-file " + ca:                          "--ca-file is for a cluster's master",
		secretIn("hush", 0o640):                          "mode 0640",
		secretIn("hush", 0o604):                          "chmod 600",
		secretIn("hush", 0o602):                          "mode 0602",
		secretIn("", 0o600):                              "is empty",
		secretIn("\n", 0o600):                            "is empty",
		secretIn("hush\nhush\n", 0o600):                  "more than one line",
		secretIn("hush\n\n", 0o600):                      "more than one line",
		secretIn("hush\r\n", 0o600):                      "more than one line",
		secretIn("hu:sh", 0o600):                         "Mesos takes no secret that holds a colon",
		secretIn(strings.Repeat("hush", 16385), 0o600):   "larger than 65536 bytes",
		"m --principal ann --secret-file " + pipe:        "is not a file",
		"m --principal ann --secret-file /dev/zero":      "is not a file",
		"m --principal ann --secret-file " + t.TempDir(): "is not a file",
		"m --principal ann --secret-file /none":          "no such file",

		"m --ca-file " + ca: "for https:// masters, and --master is m:5050",
		"http://a,b --cert-file " + cert + " --key-file " + key: "for https:// masters",
		"https://m --cert-file " + cert:                         "--cert-file needs --key-file",
		"https://m --key-file " + key:                           "--key-file needs --cert-file",
		"https://m --ca-file " + good:                           "no certificate",
		"https://m --ca-file " + key:                            "no certificate",
		"https://m --ca-file /none":                             "no such file",
		"https://m --ca-file " + put(t, "x", "-----BEGIN CERTIFICATE-----\naHVzaA==\n-----END CERTIFICATE-----\n", 0o644): "certificate 1",
		"https://m --cert-file " + cert + " --key-file " + otherKey:                                                       "does not match",
		"https://m --cert-file " + key + " --key-file " + key:                                                             "--cert-file",
		"https://m --cert-file " + cert + " --key-file " + opened(t, key):                                                 "mode 0644",
	} {
		fields := strings.Split(args, " ")
		i, _, err := identify(t, fields[0], fields[1:]...)
		var e *exit
		if !errors.As(err, &e) || e.status != exitUsage || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%.200s: got %v, not bad usage with %q", args, err, words)
		}
		if i.secret.reveal() != "" {
			t.Errorf("%.200s: a secret was read", args)
		}
	}
}

// opened is a copy that everybody may read.
func opened(t *testing.T, file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return put(t, "open", string(text), 0o644)
}

func TestIdentityAccepted(t *testing.T) {
	file := put(t, "secret", "hu sh\n", 0o400)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for master, warns := range map[string]bool{"127.0.0.1": false, "localhost:1": false, "m": true, "zk://m/mesos": true, "https://m": false} {
		for _, path := range []string{file, link} {
			i, masters, err := identify(t, master, "--principal", "ann", "--secret-file", path)
			if err != nil || i.secret.reveal() != "hu sh" {
				t.Fatal(err)
			}
			warning := i.warning(masters)
			if (warning != "") != warns || strings.Contains(warning, "hu sh") {
				t.Errorf("%s: warning %q", master, warning)
			}
			var cfg mesosapi.Config
			i.apply(&cfg)
			r := &http.Request{Header: http.Header{}}
			cfg.Authorize(r)
			if name, word, _ := r.BasicAuth(); name != "ann" || word != "hu sh" || cfg.TLS != nil {
				t.Errorf("%s: comes as %q %q, TLS %v", master, name, word, cfg.TLS)
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				for _, thing := range []any{i, *i, i.secret, &i.secret} {
					if said := fmt.Sprintf(verb, thing); strings.Contains(said, "hu sh") || strings.Contains(said, "6875207368") {
						t.Errorf("%s of %T tells the secret: %s", verb, thing, said)
					}
				}
			}
			if said, _ := json.Marshal(map[string]any{"s": i.secret}); strings.Contains(string(said), "hu sh") {
				t.Errorf("JSON tells the secret: %s", said)
			}
		}
	}
	if i, _, err := identify(t, "local"); err != nil || i.tls() != nil {
		t.Errorf("no flags: %v", err)
	}
	var cfg mesosapi.Config
	new(identityFlags).apply(&cfg)
	if cfg.Authorize != nil || cfg.TLS != nil {
		t.Error("no flags do something")
	}
}

// first gives what comes first of a SUBSCRIBE with these flags.
func first(t *testing.T, master string, args ...string) mesosapi.Incoming {
	t.Helper()
	i, _, err := identify(t, master, args...)
	if err != nil {
		t.Fatal(err)
	}
	cfg := mesosapi.Config{Master: master}
	i.apply(&cfg)
	c, err := mesosapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Subscribe(calls.Subscribe(&mesosv1.FrameworkInfo{User: "u", Name: "n", Roles: []string{"*"},
		Capabilities: []mesosv1.FrameworkInfo_Capability{{Type: mesosv1.FrameworkInfo_Capability_MULTI_ROLE}}}))
	select {
	case in := <-c.Incoming():
		return in
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// The embedded Mesos with credentials is what a guarded master is like.
func TestIdentityAtTheEmbeddedMesos(t *testing.T) {
	credentials, err := local.ReadCredentials(put(t, "credentials", `{"credentials": [{"principal": "ann", "secret": "hush"}]}`, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	quiet := logrus.New()
	quiet.SetLevel(logrus.ErrorLevel)
	cluster, err := local.Start(local.Config{IP: "127.0.0.1", Agents: 1, Resources: "cpus:1;mem:100;disk:100",
		WorkDir: t.TempDir(), Credentials: credentials, Log: logrus.NewEntry(quiet)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if err := cluster.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	right, wrong := put(t, "secret", "hush\n", 0o600), put(t, "secret", "hash", 0o600)
	if in := first(t, cluster.Addr(), "--principal", "ann", "--secret-file", right); in.Event.GetType() != scheduler.Event_SUBSCRIBED {
		t.Errorf("got %+v", in)
	}
	for _, args := range [][]string{nil, {"--principal", "ann", "--secret-file", wrong}, {"--principal", "bob", "--secret-file", right}} {
		in := first(t, cluster.Addr(), args...)
		var refused *mesosapi.Refused
		if !errors.As(in.Down, &refused) || refused.Status != 401 || refused.Realm != "mesos-master-scheduler" {
			t.Errorf("%q: got %v", args, in.Down)
		} else if text := refused.Error(); !strings.Contains(text, "mesos-master-scheduler") || strings.Contains(text, "hash") {
			t.Errorf("%q: got %s", args, text)
		}
	}
}

// A master that wants certificates: ours shows who we are, and --ca-file who it is.
func TestCertificates(t *testing.T) {
	masters, clients := newAuthority(t), newAuthority(t)
	cert, key := masters.issue(t, "master", x509.ExtKeyUsageServerAuth)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients.pool(t)})
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "hello %s", r.TLS.PeerCertificates[0].Subject.CommonName)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	at := "https://" + l.Addr().String()
	cert, key = clients.issue(t, "ann", x509.ExtKeyUsageClientAuth)
	good, wrong := put(t, "ca.pem", "so much for the text before\n"+clients.pem+masters.pem, 0o644), put(t, "ca.pem", clients.pem, 0o644)
	for _, tt := range []struct{ master, ca, args, words string }{
		{at, good, "--cert-file " + cert + " --key-file " + key, "hello ann"},
		{at, good, "", "certificate required"},
		{at, wrong, "--cert-file " + cert + " --key-file " + key, "unknown authority"},
		{strings.Replace(at, "127.0.0.1", "127.0.0.2", 1), good, "", "127.0.0.2"},
	} {
		in := first(t, tt.master, append([]string{"--ca-file", tt.ca}, strings.Fields(tt.args)...)...)
		if in.Down == nil || !strings.Contains(in.Down.Error(), tt.words) {
			t.Errorf("%s %s: got %v, not %q", tt.master, tt.args, in.Down, tt.words)
		}
	}
}

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, cert: &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a.pem = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return a
}

func (a *authority) pool(t *testing.T) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(a.pem)) {
		t.Fatal("no certificate")
	}
	return pool
}

// issue gives the files of a certificate for 127.0.0.1 and its key.
func (a *authority) issue(t *testing.T, name string, use x509.ExtKeyUsage) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{use}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile = put(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
	return certFile, put(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), 0o640)
}
