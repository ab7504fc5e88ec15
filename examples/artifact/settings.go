package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// settings are those of all commands.
type settings struct {
	insecure   []string
	caFile     string
	sshKey     string
	knownHosts string
	cache      string
	output     string
	timeout    time.Duration
}

func (s *settings) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&s.insecure, "insecure", nil, "`host` or host:port that is asked over plain HTTP (may be repeated)")
	f.StringVar(&s.caFile, "ca", "", "`file` of certificates that are trusted beside the system's")
	f.StringVar(&s.sshKey, "ssh-key", "", "`file` of the private key for ssh://")
	f.StringVar(&s.knownHosts, "known-hosts", "", "`file` of the SSH hosts that are trusted (default ~/.ssh/known_hosts)")
	f.StringVar(&s.cache, "cache", "", "`folder` that keeps what was fetched (default in the user's cache folder)")
	f.StringVarP(&s.output, "output", "o", "text", "`form` of what is printed: text or json")
	f.DurationVar(&s.timeout, "timeout", 10*time.Minute, "how long the whole of it may take")
}

// with runs a command with clients that end with it.
func (s *settings) with(cmd *cobra.Command, do func(ctx context.Context, c *clients) error) error {
	if s.output != "text" && s.output != "json" {
		return usageError{fmt.Errorf("--output %q is neither text nor json", s.output)}
	}
	dir := s.cache
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("%w: give --cache FOLDER", err)
		}
		dir = filepath.Join(user, "gitopskit-artifact")
	}
	c, err := newClients(dir, s)
	if err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), s.timeout, fmt.Errorf("this took longer than --timeout %s", s.timeout))
	defer cancel()
	ended := sayWhatTakesLong(ctx, cmd.ErrOrStderr(), cmd.Name())
	defer ended()
	err = do(ctx, c)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	return err
}

// print writes a result as text or as JSON.
func (s *settings) print(out io.Writer, result any, text string) error {
	if s.output == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(result)
	}
	_, err := io.WriteString(out, text)
	return err
}

// sayWhatTakesLong says every five seconds that the command goes on.
func sayWhatTakesLong(ctx context.Context, out io.Writer, what string) (ended func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		started := time.Now()
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintf(out, "artifact: %s goes on since %s\n", what, time.Since(started).Round(time.Second))
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
