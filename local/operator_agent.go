package local

import (
	"net/http"

	"github.com/gogo/protobuf/proto"
	pb "github.com/mesos/mesos-go/api/v1/lib/agent"
)

// serveOperator is an agent's operator API: who it is, and the files of its
// sandboxes.
func (a *agent) serveOperator(w http.ResponseWriter, r *http.Request) {
	c := &pb.Call{}
	check := func() string {
		switch {
		case c.Type == pb.Call_UNKNOWN:
			return "Expecting 'type' to be present"
		case c.Type == pb.Call_GET_METRICS && c.GetMetrics == nil:
			return "Expecting 'get_metrics' to be present"
		case c.Type == pb.Call_LIST_FILES && c.ListFiles == nil:
			return "Expecting 'list_files' to be present"
		case c.Type == pb.Call_READ_FILE && c.ReadFile == nil:
			return "Expecting 'read_file' to be present"
		}
		return ""
	}
	serveOperator(w, r, c, check, func() (proto.Message, error) {
		switch c.Type {
		case pb.Call_LIST_FILES:
			list, err := a.listFiles(c.ListFiles.Path)
			return &pb.Response{Type: pb.Response_LIST_FILES, ListFiles: &pb.Response_ListFiles{FileInfos: list}}, err
		case pb.Call_READ_FILE:
			data, size, err := a.readPart(c.ReadFile.Path, c.ReadFile.Offset, c.ReadFile.Length)
			return &pb.Response{Type: pb.Response_READ_FILE, ReadFile: &pb.Response_ReadFile{Data: data, Size_: size}}, err
		}
		var answer *pb.Response
		if !a.box.call(func() { answer = a.operate(c.Type) }) {
			return nil, errStopping
		}
		if answer == nil {
			return nil, errNotBuilt
		}
		return answer, nil
	})
}

// operate answers what needs nothing but the type of the call; nil if it is not
// built.
func (a *agent) operate(kind pb.Call_Type) *pb.Response {
	switch kind {
	case pb.Call_GET_HEALTH:
		return &pb.Response{Type: pb.Response_GET_HEALTH, GetHealth: &pb.Response_GetHealth{Healthy: true}}
	case pb.Call_GET_FLAGS:
		return &pb.Response{Type: pb.Response_GET_FLAGS, GetFlags: &pb.Response_GetFlags{Flags: wireFlags(a.flags())}}
	case pb.Call_GET_VERSION:
		return &pb.Response{Type: pb.Response_GET_VERSION, GetVersion: &pb.Response_GetVersion{VersionInfo: versionInfo()}}
	case pb.Call_GET_METRICS:
		return &pb.Response{Type: pb.Response_GET_METRICS, GetMetrics: &pb.Response_GetMetrics{Metrics: wireMetrics(a.viewMetrics())}}
	case pb.Call_GET_AGENT:
		info := a.info()
		return &pb.Response{Type: pb.Response_GET_AGENT, GetAgent: &pb.Response_GetAgent{AgentInfo: &info}}
	}
	return nil
}

// flags are the settings that a user of the endpoint may look for, by Mesos'
// names.
func (a *agent) flags() map[string]string { return map[string]string{"work_dir": a.workDir} }
