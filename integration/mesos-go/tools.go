//go:build tools

// Package tools pins the programs of mesos-go that run against the embedded
// Mesos. It is never built: its imports keep their versions in go.mod.
package tools

import (
	_ "github.com/mesos/mesos-go/api/v1/cmd/example-executor"
	_ "github.com/mesos/mesos-go/api/v1/cmd/msh"
)
