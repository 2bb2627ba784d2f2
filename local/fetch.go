package local

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/executor"
)

// fetcher brings what a command wants into its sandbox.
type fetcher interface {
	Fetch(ctx context.Context, dir string, uris []executor.URI) error
}

// newFetcher is the fetcher of all agents of a cluster, with one cache.
func newFetcher(cfg *Config) fetcher {
	return &executor.Fetcher{CacheDir: filepath.Join(cfg.WorkDir, "fetch"), MaxUnpacked: cfg.MaxUnpacked}
}

// fetch brings the URIs of a command, if it has any; the command may be nil.
func (a *agent) fetch(ctx context.Context, container, sandbox string, c *mesos.CommandInfo) error {
	if c == nil || len(c.URIs) == 0 {
		return nil
	}
	uris := make([]executor.URI, len(c.URIs))
	for i := range c.URIs {
		u := &c.URIs[i]
		uris[i] = executor.URI{
			Value: u.Value, OutputFile: u.GetOutputFile(), Extract: u.GetExtract(), Executable: u.GetExecutable(), Cache: u.GetCache(),
		}
	}
	if err := a.fetcher.Fetch(ctx, sandbox, uris); err != nil {
		//lint:ignore ST1005 these are Mesos' words, and frameworks look for them
		return fmt.Errorf("Failed to fetch all URIs for container '%s': %w", container, err)
	}
	return nil
}
