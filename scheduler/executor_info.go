package scheduler

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"cmdq/task"
)

// executorPrefix is what the ids of all incarnations of an executor begin with:
// they tell what was said of it. Its resources count as an amount, since the same
// ones can be written in several ways, and reserved ones are others.
func (s *state) executorPrefix(info *mesos.ExecutorInfo, role string) string {
	bare := *info
	bare.ExecutorID, bare.Resources = mesos.ExecutorID{}, nil
	data, err := bare.Marshal()
	if err != nil {
		panic("scheduler: executor info: " + err.Error()) // we made it
	}
	sum := sha256.New()
	sum.Write(data)
	fmt.Fprint(sum, s.cfg.Executor.Cost, role)
	for i := range info.Resources {
		if owner := reservedFor(&info.Resources[i]); owner != "*" {
			fmt.Fprint(sum, owner)
		}
	}
	return executorIDs + hex.EncodeToString(sum.Sum(nil)[:4]) + "-"
}

// executorIDs is what the ids of all executors of ours begin with.
const executorIDs = "cmdq-"

func (s *state) executorInfo(user string, resources []mesos.Resource) *mesos.ExecutorInfo {
	c := &s.cfg.Executor
	shell, name := true, "cmdq executor"
	command := &mesos.CommandInfo{Shell: &shell, Value: &c.Command}
	if user != "" {
		command.User = &user
	}
	yes, no := true, false
	command.URIs = []mesos.CommandInfo_URI{{Value: c.URI(), Executable: &yes, Extract: &no, Cache: &yes, OutputFile: &c.File}}
	return &mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM, Name: &name, Command: command,
		FrameworkID: &mesos.FrameworkID{Value: s.framework.ID}, Resources: resources}
}

// plain is an amount of unreserved resources.
func plain(r task.Resources, role string) []mesos.Resource {
	p := &pool{role: role}
	for name, v := range map[string]float64{"cpus": float64(r.CPUs) / 1000, "mem": float64(r.Mem), "disk": float64(r.Disk), "gpus": float64(r.GPUs)} {
		p.add(mesos.Resource{Name: name, Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: v}}, role)
	}
	out := p.take(r)
	allocate(out, role)
	return out
}
