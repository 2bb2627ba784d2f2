package main

import (
	"net"

	"github.com/spf13/pflag"

	"cmdq/local"
)

// entryFlags say who may ask the embedded Mesos for something.
type entryFlags struct {
	credentials string // a file
	remote      bool
}

func (e *entryFlags) register(f *pflag.FlagSet) {
	f.StringVar(&e.credentials, "credentials", "", "file with the principals and secrets that are let in,\nreadable by you alone; default: no questions asked")
	f.BoolVar(&e.remote, "allow-remote", false, "let other machines in, through --ip; needs --credentials")
}

// check reads the credentials, nil if there are none, and finds what is wrong
// with the address to listen on.
func (e *entryFlags) check(ip string) (*local.Credentials, error) {
	addr := net.ParseIP(ip)
	switch {
	case e.remote && e.credentials == "":
		return nil, usage("--allow-remote needs --credentials FILE: whoever reaches it runs commands here")
	case addr == nil || addr.IsUnspecified() || addr.IsMulticast():
		return nil, usage("--ip %q: want the address of one network interface, such as 127.0.0.1", ip)
	case !addr.IsLoopback() && !e.remote:
		return nil, usage("--ip %q: want a loopback address, such as 127.0.0.1: whoever reaches it runs commands here; or --allow-remote", ip)
	case e.credentials == "":
		return nil, nil
	}
	credentials, err := local.ReadCredentials(e.credentials)
	if err != nil {
		return nil, usage("--credentials: %v", err)
	}
	return credentials, nil
}
