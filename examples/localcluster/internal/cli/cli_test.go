package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gitopskit/gitopskit/examples/localcluster/internal/cli"
	"github.com/gitopskit/gitopskit/examples/localcluster/internal/cluster"
)

func TestExitCodes(t *testing.T) {
	cases := map[string]struct {
		args []string
		code int
		says string
	}{
		"help is no error":                     {[]string{"--help"}, cli.ExitOK, ""},
		"no command shows the help":            {nil, cli.ExitOK, ""},
		"an unknown command is wrong usage":    {[]string{"start"}, cli.ExitUsage, `unknown command "start"`},
		"an unknown flag is wrong usage":       {[]string{"up", "--node=3"}, cli.ExitUsage, "unknown flag"},
		"an argument is wrong usage":           {[]string{"down", "demo"}, cli.ExitUsage, "unexpected argument demo"},
		"no nodes is wrong usage":              {[]string{"up", "--nodes=0"}, cli.ExitUsage, "--nodes 0"},
		"an unknown output is wrong usage":     {[]string{"up", "-o", "xml"}, cli.ExitUsage, "xml"},
		"a detached cluster without a name":    {[]string{"up", "--detach", "--ephemeral"}, cli.ExitUsage, "--name"},
		"status of no instance is not running": {[]string{"status"}, cli.ExitNotRunning, "no such instance"},
		"down of no instance is not running":   {[]string{"down", "--name", "a"}, cli.ExitNotRunning, "no such instance"},
		"a bad name fails":                     {[]string{"up", "--name", "A/B"}, cli.ExitFailed, "lower-case"},
		"down of all when there is none":       {[]string{"down", "--all"}, cli.ExitOK, ""},
		"an empty list":                        {[]string{"list"}, cli.ExitOK, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv(cluster.HomeEnv, t.TempDir())
			var out, errOut bytes.Buffer
			code, err := cli.Run(c.args, strings.NewReader(""), &out, &errOut)
			if code != c.code {
				t.Errorf("exit code %d (%v), want %d", code, err, c.code)
			}
			if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("says %v, want %q in it", err, c.says)
			}
		})
	}
}
