// Command showcase serves the page of cmdq with a made-up queue behind the real
// API, for a look at it and for its browser test: a hundred thousand tasks, some
// of which try to break out of the page by their ids, commands and output.
//
//	go run ./integration/showcase --rate 20
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"cmdq/web"
	"cmdq/web/page"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "where to be reached")
	token := flag.String("token", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "of those who may change things")
	tasks := flag.Int("tasks", 100000, "how many there are")
	rate := flag.Int("rate", 0, "how many of them end, a second")
	agents := flag.Int("agents", 4, "how many there are")
	flag.Parse()
	if err := serve(*listen, *token, *tasks, *rate, *agents); err != nil {
		fmt.Fprintln(os.Stderr, "showcase:", err)
		os.Exit(1)
	}
}

func serve(listen, token string, tasks, rate, agents int) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	l, err := web.Listen(listen, "", true)
	if err != nil {
		return err
	}
	log := logrus.NewEntry(logrus.New())
	q := newQueue(tasks, agents, time.Now())
	defer q.hub.Close()
	api := web.NewAPI(web.Config{Version: "showcase", Logs: logs{q}, Queue: q, Changes: q, Hub: q.hub, Log: log})
	guard := web.NewGuard(l, token)
	server := web.Serve(l, &web.Site{Guard: guard, API: api, Page: page.Handler()}, log)
	fmt.Println("ready:", guard.PageURL())
	q.play(ctx, rate)
	return server.Close()
}
