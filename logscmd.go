package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"cmdq/mesosapi"
	"cmdq/web"
)

func logsCommand() *cobra.Command {
	var (
		state    = ".cmdq"
		request  web.LogRequest
		stderr   bool
		inJSON   bool
		identity identityFlags
	)
	cmd := &cobra.Command{
		Use:   "logs ID",
		Short: "print what a command wrote",
		Long: `Print what the command of task ID wrote to its standard output, byte by byte,
while it runs and after it ended. The cmdq that runs with --state is asked; if
there is none, its journal says where the output is; with --follow the one goes
on where the other ends. On a terminal the control characters in it, but for
colours, are shown and not obeyed. Exit status: 0, 1 if
there is no such task or no output of it any more, 2 on bad usage, or if --state
holds no journal; 130 or 143 after a signal, but 0 if --follow was ended by one.`,
		Args: oneID,
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Task = args[0]
			if request.Stream = web.Stdout; stderr {
				request.Stream = web.Stderr
			}
			f := cmd.Flags()
			switch {
			case request.Attempt < 0 || f.Changed("attempt") && request.Attempt == 0:
				return usage("--attempt %d: want a number from 1", request.Attempt)
			case !f.Changed("tail"):
				request.Tail = web.All
			case request.Tail < 0:
				return usage("--tail %d: want 0 or more", request.Tail)
			}
			if inJSON && request.Follow {
				return usage("--json and --follow: what comes bit by bit is no JSON")
			}
			ctx, stop := untilSignal(request.Follow)
			defer stop()
			config := func(master string) (mesosapi.Config, error) {
				cfg := mesosapi.Config{Master: master}
				masters, err := mesosapi.ParseMasters(master)
				if err != nil {
					return cfg, err
				}
				if err := identity.check(f, masters, false); err != nil {
					return cfg, err
				}
				identity.apply(&cfg)
				return cfg, nil
			}
			if inJSON {
				return printLogJSON(ctx, os.Stdout, state, request, config)
			}
			out, end := newScreen(os.Stdout)
			return errScreen(printLog(ctx, out, state, request, config), end)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVarP(&request.Follow, "follow", "f", false, "go on with what it writes until it has ended")
	f.BoolVar(&stderr, "stderr", false, "standard error instead of standard output")
	f.IntVar(&request.Attempt, "attempt", 0, "that launch; default: the last one")
	f.IntVar(&request.Tail, "tail", 0, "only so many lines from the end; default: all")
	f.BoolVar(&inJSON, "json", false, "as JSON, with the text or, if it is none, its base64")
	f.StringVar(&state, "state", state, "directory that cmdq keeps its journal in")
	identity.register(f)
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return (&verb{state: state}).ids(begun, nil, nil)
	}
	completeFlag(cmd, "state", cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs))
	return cmd
}

// maxLogJSON bounds the output that is printed as JSON, in bytes: all of it is
// held in memory.
const maxLogJSON = 64 << 20

// printLogJSON prints what a command wrote as one JSON value.
func printLogJSON(ctx context.Context, out io.Writer, state string, r web.LogRequest, config func(string) (mesosapi.Config, error)) error {
	var buf bytes.Buffer
	if err := printLog(ctx, &bounded{w: &buf, left: maxLogJSON}, state, r, config); err != nil {
		return err
	}
	line := struct {
		ID     string  `json:"id"`
		Stream string  `json:"stream"`
		Text   *string `json:"text,omitempty"`
		Base64 []byte  `json:"base64,omitempty"` // of what is no UTF-8
	}{ID: r.Task, Stream: r.Stream}
	if utf8.Valid(buf.Bytes()) {
		text := buf.String()
		line.Text = &text
	} else {
		line.Base64 = buf.Bytes()
	}
	return writeJSON(out, line)
}

// bounded is a writer that takes so many bytes and no more.
type bounded struct {
	w    io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, fmt.Errorf("more than %d MB, which is too much for --json; see --tail", maxLogJSON>>20)
	}
	return b.w.Write(p)
}

// untilSignal is a context that ends with the first signal that ends us; its cause
// is the exit status. Who follows has seen enough then, else what was written may
// look like all of it. If nobody reads what is being written, we end all the same.
func untilSignal(follow bool) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := firstSignal()
	go func() {
		select {
		case sig := <-signals:
			over := &exit{statusOf(sig), nil}
			if follow {
				over.status = exitFinished
			}
			cancel(over)
			time.AfterFunc(time.Second, func() { os.Exit(over.status) })
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}
