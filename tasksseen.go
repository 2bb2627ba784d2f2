package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
)

// seenFile is the tasks file and its lists as the journal knows them: what they
// held when all of that was in the queue. A restart that finds them the same
// need not read a million tasks again.
type seenFile struct {
	Format int               `json:"format"` // of what we make of a file
	User   string            `json:"user,omitempty"`
	Folder string            `json:"folder"` // where the paths in it begin: standard input may come from elsewhere
	Sum    string            `json:"sum"`
	Lists  map[string]string `json:"lists,omitempty"` // sums by path
}

// seenFormat changes when the same file begins to mean something else.
const seenFormat = 3

// maxSeen bounds what is kept, in bytes: many lists are read again.
const maxSeen = 256 << 10

// describe is the file that was read last, for the journal; empty if it has too
// many lists, or one that could not be read.
func (t *tasksFile) describe() string {
	seen := seenFile{Format: seenFormat, User: t.user, Folder: t.folder(), Sum: hex.EncodeToString(t.seen[:]), Lists: map[string]string{}}
	for path, sum := range t.lists {
		if sum == ([sha256.Size]byte{}) {
			return ""
		}
		path, err := filepath.Abs(path) // the next start may be elsewhere
		if err != nil {
			return ""
		}
		seen.Lists[path] = hex.EncodeToString(sum[:])
	}
	text, err := json.Marshal(seen)
	if err != nil || len(text) > maxSeen || seen.Folder == "" {
		return ""
	}
	return string(text)
}

// expect lets read find nothing new if the file is as it was described.
func (t *tasksFile) expect(description string) {
	var seen seenFile
	if json.Unmarshal([]byte(description), &seen) != nil || seen.Format != seenFormat || seen.User != t.user || seen.Folder != t.folder() {
		return
	}
	sum, ok := parseSum(seen.Sum)
	if !ok {
		return
	}
	lists := map[string][sha256.Size]byte{}
	for path, text := range seen.Lists {
		if lists[path], ok = parseSum(text); !ok {
			return
		}
	}
	t.seen, t.lists = sum, lists
}

// folder is where the paths in the file begin; empty if that cannot be told.
func (t *tasksFile) folder() string {
	folder, err := filepath.Abs(filepath.Dir(t.path))
	if err != nil {
		return ""
	}
	return folder
}

func parseSum(text string) (sum [sha256.Size]byte, ok bool) {
	data, err := hex.DecodeString(text)
	return sum, err == nil && copy(sum[:], data) == len(sum) && len(data) == len(sum)
}
