package sandbox

import (
	"strings"
	"testing"

	lib "github.com/mesos/mesos-go/api/v1/lib"
	pb "github.com/mesos/mesos-go/api/v1/lib/agent"
)

// FuzzDecode: no answer of an agent harms, and what is taken is whole.
func FuzzDecode(f *testing.F) {
	for _, r := range []*pb.Response{
		{Type: pb.Response_LIST_FILES, ListFiles: &pb.Response_ListFiles{FileInfos: []lib.FileInfo{{Path: "/a/b", Size_: new(uint64(1)), Mode: new(uint32(0o100644)), Mtime: &lib.TimeInfo{Nanoseconds: 5}}}}},
		{Type: pb.Response_READ_FILE, ReadFile: &pb.Response_ReadFile{Size_: 5, Data: []byte("a\x00\xff")}},
		{Type: pb.Response_READ_FILE, ListFiles: &pb.Response_ListFiles{}},
		{Type: pb.Response_GET_STATE},
	} {
		body, err := r.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
		f.Add(body[:len(body)/2])
	}
	f.Add([]byte("\x08\x03\xfa\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte(strings.Repeat("\x0b", 70_000)))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, to := range []pb.Call_Type{pb.Call_LIST_FILES, pb.Call_READ_FILE} {
			r, err := decode(body, to)
			if (err == nil) != (r != nil) || err != nil && !final(err) {
				t.Errorf("%v, %v", r, err)
			}
			if r != nil && (to == pb.Call_LIST_FILES) != (r.ListFiles != nil && r.Type == pb.Response_LIST_FILES) {
				t.Errorf("%s for %s", r.Type, to)
			}
		}
	})
}
