// Command alerts sends events to where people see them: those of a cluster, or
// those that it reads as lines of JSON.
//
//	alerts                               # the cluster of KUBECONFIG, to this terminal
//	alerts -stdin < events.jsonl         # lines of JSON, to this terminal
//	alerts -f alerts.yaml -secrets DIR   # to the Providers of that file
//
// The file holds Provider and Alert objects as Flux has them; the key KEY of the
// secret NAME is the file DIR/NAME/KEY. A Provider of the type terminal prints.
// With -journal DIR nothing that was taken is lost when the program ends: what
// was not delivered is delivered after the next start. Ctrl-C ends it; what
// waits is sent first.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/gitopskit/gitopskit/notify"
	"github.com/gitopskit/gitopskit/notify/provider"
)

type options struct {
	file, secrets, journal, kubeconfig string
	stdin                              bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.StringVar(&o.file, "f", "", "file with Provider and Alert objects (default: all events to this terminal)")
	flag.StringVar(&o.secrets, "secrets", "", "folder of secrets, as NAME/KEY")
	flag.StringVar(&o.journal, "journal", "", "folder that keeps undelivered events over restarts")
	flag.StringVar(&o.kubeconfig, "kubeconfig", os.Getenv("KUBECONFIG"), "the cluster to watch")
	flag.BoolVar(&o.stdin, "stdin", false, "read events as lines of JSON instead of watching a cluster")
	flag.Parse()
	if err := run(ctx, o, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "alerts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, in io.Reader, out io.Writer) (err error) {
	pool := provider.NewPool()
	defer pool.Close()
	destinations := []notify.Destination{{Name: "terminal", Sender: terminal(out), Overflow: notify.Wait}}
	if o.file != "" {
		if destinations, err = load(o.file, o.secrets, pool, out); err != nil {
			return err
		}
	}
	opts := notify.Options{
		Destinations: destinations,
		OnDeadLetter: func(l notify.DeadLetter) {
			fmt.Fprintf(out, "✗ not delivered to %s: %s: %v\n", l.Destination, l.Event.InvolvedObject, l.Err)
		},
	}
	if o.journal != "" {
		journal, err := notify.OpenJournal(o.journal, notify.JournalOptions{Fsync: true})
		if err != nil {
			return err
		}
		defer journal.Close()
		opts.Store = journal
	}
	return send(ctx, o, opts, in, out)
}

// send takes events until there are no more or ctx ends, and then drains.
func send(ctx context.Context, o options, opts notify.Options, in io.Reader, out io.Writer) error {
	d, err := notify.New(ctx, opts)
	if err != nil {
		return err
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- d.Run(work) }()
	if o.stdin {
		err = readLines(ctx, d, in)
	} else {
		err = watch(ctx, d, o.kubeconfig, slog.New(slog.NewTextHandler(out, nil)))
	}
	stop()
	err = errors.Join(err, <-ended)
	for _, s := range d.Stats() {
		fmt.Fprintf(out, "%s: %d delivered, %d not, %d attempts\n", s.Destination, s.Delivered, s.Dead, s.Messages)
	}
	return err
}

// readLines dispatches one event a line; a repetition is passed over, and a bad
// line is an error once all others are dispatched.
func readLines(ctx context.Context, d *notify.Dispatcher, in io.Reader) error {
	var errs []error
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, notify.MaxEventBytes+1)
	for n := 1; lines.Scan() && ctx.Err() == nil; n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		e, err := notify.ReadEvent(strings.NewReader(text))
		if err == nil {
			_, err = d.Dispatch(ctx, e)
		}
		if err != nil && !errors.Is(err, notify.ErrDuplicate) {
			errs = append(errs, fmt.Errorf("line %d: %w", n, err))
		}
	}
	return errors.Join(append(errs, lines.Err())...)
}

// terminal prints events for people.
func terminal(out io.Writer) notify.Sender {
	return notify.SenderFunc(func(_ context.Context, d notify.Delivery) error {
		e := d.Event
		mark := "•"
		switch {
		case e.Severity == notify.SeverityError:
			mark = "✗"
		case e.Metadata[notify.MetaRecoveredAfter] != "":
			mark = "✓"
		}
		revision := ""
		if e.Revision() != "" {
			revision = " (" + notify.ShortRevision(e.Revision()) + ")"
		}
		_, err := fmt.Fprintf(out, "%s %s %s %s%s\n    %s\n", e.Timestamp.Local().Format(time.TimeOnly), mark, e.InvolvedObject, e.Reason,
			revision, strings.ReplaceAll(strings.TrimSpace(e.Message), "\n", "\n    "))
		return err
	})
}
