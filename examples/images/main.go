// Package main is the program of the image tutorial. It is sent to the agents,
// where it inverts one picture a task, and it can serve pictures to try that
// with. It has no state, and knows nothing of Mesos or of cmdq: it is what any
// command is.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// atMost is the longest that one picture may take.
const atMost = time.Minute

const usage = `usage: images invert URL FILE
           fetch a PNG, JPEG or GIF and write it inverted, as PNG
       images serve LIST COMMAND [ARGUMENT...]
           serve pictures on 127.0.0.1 for as long as COMMAND runs, which finds
           their URLs in the file LIST, one a line`

func main() {
	err := run(os.Args[1:])
	var ended *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &ended) && ended.Exited():
		os.Exit(ended.ExitCode()) // of the command, which has said why
	default:
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	switch {
	case verb == "invert" && len(args) == 3:
		ctx, cancel := context.WithTimeout(context.Background(), atMost)
		defer cancel()
		return invertURL(ctx, args[1], args[2])
	case verb == "serve" && len(args) >= 3:
		return serve(args[1], args[2:])
	}
	return errors.New(usage)
}
