// Command image-update scans registries, chooses tags, and writes them into the
// marked fields of YAML files: in a folder, or in a Git repository by a commit. Run
// it with --help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// Exit codes beside 0.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitChanged = 3 // with --exit-code: something changed, or would
)

const usage = `usage: image-update [flags] TARGET

Scans registries, chooses tags, and writes them into the fields of YAML files that
have a marker, such as

    image: ghcr.io/org/app:1.0.0 # {"$imagepolicy": "flux-system:app"}

TARGET is a folder, or the URL of a Git repository (https://, ssh://). What is
wanted is read from the ImageRepository and ImagePolicy objects in it, or in
--policies. Beside the policies of Flux there are two:

    policy: {newest: {}}                        the image that was made last
    policy: {calendar: {layout: YYYY.0M.0D}}    by https://calver.org

It prints why each tag was chosen, and each change.

    image-update --dry-run clusters/production
    image-update https://github.com/org/fleet
    image-update --push-branch 'image-updates/{{ .ID }}' --pull-request github \
        --forge-repository org/fleet https://github.com/org/fleet

Registries are asked as docker login left it on this machine, or as the variables
REGISTRY_USER and REGISTRY_PASSWORD say. Git servers want GIT_USER and GIT_PASSWORD,
or --ssh-key; forges FORGE_TOKEN.

Exit codes: 0 done, or nothing to do; 1 something failed; 2 usage; with --exit-code,
3 if something changed or, with --dry-run, would.

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program; it returns the exit code.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	o, err := parseOptions(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(errs, "image-update:", err)
		return exitUsage
	}
	p, err := newProgram(o, out)
	if err != nil {
		fmt.Fprintln(errs, "image-update:", err)
		return exitFailed
	}
	defer p.close()
	for {
		changed, err := p.once(ctx)
		if err != nil && ctx.Err() == nil {
			fmt.Fprintln(errs, "image-update:", err)
		}
		switch {
		case o.every > 0:
		case err != nil:
			return exitFailed
		case changed && o.exitCode:
			return exitChanged
		default:
			return 0
		}
		timer := time.NewTimer(o.every)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return 0
		}
	}
}

// options are what the flags say.
type options struct {
	target, policies, path, namespace string
	dryRun, exitCode, quiet           bool
	every, soak                       time.Duration

	store, cosignKey, dockerConfig, ca string
	insecure                           list
	digest                             bool

	branch, pushBranch, refSpec, message string
	authorName, authorEmail              string
	signingKey, sshKey, knownHosts       string

	forge, forgeURL, forgeRepository string
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

func parseOptions(args []string, out io.Writer) (options, error) {
	var o options
	f := o.flags()
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		f.SetOutput(out)
		f.PrintDefaults()
		return o, err
	case err != nil:
		return o, fmt.Errorf("%w; see --help", err)
	case f.NArg() != 1:
		return o, fmt.Errorf("give one TARGET, not %d; see --help", f.NArg())
	}
	o.target = f.Arg(0)
	return o, o.check()
}

func (o *options) flags() *flag.FlagSet {
	f := flag.NewFlagSet("image-update", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.StringVar(&o.policies, "policies", "", "`file` or folder with ImageRepository and ImagePolicy objects (default: those in TARGET)")
	f.StringVar(&o.path, "path", "", "only update files in this `folder` of TARGET")
	f.StringVar(&o.namespace, "namespace", "flux-system", "`namespace` of objects that name none")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the difference and change nothing")
	f.BoolVar(&o.exitCode, "exit-code", false, "exit with 3 if something changed or would")
	f.BoolVar(&o.quiet, "quiet", false, "do not print why tags were chosen")
	f.DurationVar(&o.every, "every", 0, "do it again and again, after this `time`, until the program is ended")

	f.StringVar(&o.store, "store", "", "`folder` that keeps what was learned of tags, and the Git repository, until the next run")
	f.DurationVar(&o.soak, "soak", 0, "choose only tags that were seen for this `time`; needs --store or --every")
	f.StringVar(&o.cosignKey, "cosign-key", "", "choose only images that cosign signed with the key of this public key `file`; writes their digests")
	f.BoolVar(&o.digest, "digest", false, "write digests beside tags, as digestReflectionPolicy: Always does")
	f.StringVar(&o.dockerConfig, "docker-config", "", "config.json `file` with credentials for registries")
	f.StringVar(&o.ca, "ca", "", "PEM `file` of certificates to trust beside the system's, for registries and Git")
	f.Var(&o.insecure, "insecure", "registry `host[:port]` that is asked over plain HTTP; may be given several times")

	f.StringVar(&o.branch, "branch", "main", "`branch` of the Git repository")
	f.StringVar(&o.pushBranch, "push-branch", "", "push to this branch instead, made anew from --branch; a `template`, {{ .ID }} names the update")
	f.StringVar(&o.refSpec, "refspec", "", "push to this `refspec`, such as HEAD:refs/for/main")
	f.StringVar(&o.message, "message", "", "`template` of the commit message, with the data of Flux's ImageUpdateAutomation")
	f.StringVar(&o.authorName, "author-name", "image-update", "`name` of the author of commits")
	f.StringVar(&o.authorEmail, "author-email", "image-update@localhost", "e-mail `address` of the author of commits")
	f.StringVar(&o.signingKey, "signing-key", "", "private key `file` that signs commits: SSH, or armored PGP; SIGNING_PASSPHRASE decrypts it")
	f.StringVar(&o.sshKey, "ssh-key", "", "private key `file` for ssh://")
	f.StringVar(&o.knownHosts, "known-hosts", "", "known_hosts `file` for ssh:// (default ~/.ssh/known_hosts)")

	f.StringVar(&o.forge, "pull-request", "", "open a pull request on this `forge`: github, gitlab or gitea; needs --push-branch")
	f.StringVar(&o.forgeURL, "forge-url", "", "`URL` of the forge (default: github.com, gitlab.com)")
	f.StringVar(&o.forgeRepository, "forge-repository", "", "the repository on the forge, as `owner/name`")
	return f
}

func (o options) isGit() bool { return strings.Contains(o.target, "://") }

// check refuses flags that have no meaning together.
func (o options) check() error {
	git := map[string]string{
		"push-branch": o.pushBranch, "refspec": o.refSpec, "signing-key": o.signingKey, "ssh-key": o.sshKey, "pull-request": o.forge, "message": o.message,
	}
	for name, value := range git {
		if value != "" && !o.isGit() {
			return fmt.Errorf("--%s is for Git repositories, and %s is a folder", name, o.target)
		}
	}
	switch {
	case o.soak > 0 && o.store == "" && o.every == 0:
		return errors.New("--soak needs --store, where it is kept when tags were seen")
	case o.forge != "" && o.pushBranch == "":
		return errors.New("--pull-request needs --push-branch")
	case o.forge != "" && o.forgeRepository == "":
		return errors.New("--pull-request needs --forge-repository")
	case o.forge == "" && (o.forgeURL != "" || o.forgeRepository != ""):
		return errors.New("--forge-url and --forge-repository are for --pull-request")
	}
	return nil
}
