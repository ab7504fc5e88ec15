package git_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/gitopskit/gitopskit/internal/gitserver"
	"github.com/gitopskit/gitopskit/source"
	"github.com/gitopskit/gitopskit/source/git"
	"github.com/gitopskit/gitopskit/source/git/signature"
)

var bot = git.Signature{Name: "Bot", Email: "bot@example.com"}

// setting returns a change that writes files.
func setting(files map[string]string) git.ChangeFunc {
	return func(context.Context, *source.Artifact) (git.Change, error) {
		c := git.Change{Message: "update images"}
		for name, content := range files {
			c.Edits = append(c.Edits, git.Edit{Path: name, Content: []byte(content)})
		}
		return c, nil
	}
}

func pushAll(t *testing.T, s *git.Source, change git.ChangeFunc, opts git.PushOptions) git.Pushed {
	t.Helper()
	opts.Author = bot
	done, err := s.Push(t.Context(), change, opts)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestPush(t *testing.T) { eachTransport(t, testPush) }

func testPush(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Write("run.sh", "old")
	if err := os.Chmod(filepath.Join(repo.Work, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	repo.Commit(map[string]string{"a/b/c.yaml": "image: x:1\n", "a/keep": "k", "gone/only": "g", ".gitignore": "i", "a.b": "sorts before a/", "a-b": ""})
	server := srv.SSH()
	for name, opts := range map[string]git.Options{
		"http": {URL: repo.URL()},
		"ssh":  {URL: server.URL(repo), Auth: git.Auth{Identity: server.Identity, KnownHosts: server.KnownHosts}},
	} {
		t.Run(name, func(t *testing.T) {
			opts.Reference = onMain
			s := open(t, opts)
			seen := ""
			change := func(_ context.Context, base *source.Artifact) (git.Change, error) {
				data, err := fs.ReadFile(base.FS(), "a/b/c.yaml")
				if err != nil {
					return git.Change{}, err
				}
				if _, err := fs.Stat(base.FS(), ".gitignore"); err != nil {
					return git.Change{}, err
				}
				seen = string(data)
				return git.Change{Message: "by " + name, Edits: []git.Edit{
					{Path: "a/b/c.yaml", Content: append(data, name...)},
					{Path: "new/deep/" + name, Content: []byte("n"), Executable: true},
					{Path: "run.sh", Content: []byte(name)},
					{Path: "gone/only", Delete: true},
				}}, nil
			}
			done := pushAll(t, s, change, git.PushOptions{})
			if !strings.HasPrefix(seen, "image: x:1\n") || !done.Changed || done.Attempts != 1 {
				t.Errorf("%q, %+v", seen, done)
			}
			repo.Git("fsck", "--strict")
			if tip := repo.Git("rev-parse", "refs/heads/main"); done.Revision.String() != "main@sha1:"+tip {
				t.Errorf("%s, tip %s", done.Revision, tip)
			}
			want := "040000 a\n100644 .gitignore\n100644 a-b\n100644 a.b\n040000 new\n100755 run.sh"
			var got []string
			for line := range strings.Lines(repo.Git("ls-tree", "--format=%(objectmode) %(path)", "main")) {
				got = append(got, strings.TrimSpace(line))
			}
			if len(got) != strings.Count(want, "\n")+1 || repo.Git("show", "main:run.sh") != name {
				t.Errorf("tree: %v", got)
			}
			if mode := repo.Git("ls-tree", "main", "new/deep/"+name); !strings.HasPrefix(mode, "100755") {
				t.Errorf("a new executable is %s", mode)
			}
			if who := repo.Git("log", "-1", "--format=%an %ae %s", "main"); who != "Bot bot@example.com by "+name {
				t.Error(who)
			}
			srv.Reset()
			a := take(t, s)
			if n := len(srv.Requests()); name == "http" && n != listing(t) {
				t.Errorf("fetching what was pushed took %d requests", n)
			}
			if got := files(t, a)["run.sh"]; got != name {
				t.Errorf("fetched %q", got)
			}
		})
	}
}

func TestPushThatChangesNothing(t *testing.T) { eachTransport(t, testPushThatChangesNothing) }

func testPushThatChangesNothing(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	head := repo.Commit(map[string]string{"a": "1"})
	s := open(t, git.Options{URL: repo.URL(), Reference: onMain})
	for name, change := range map[string]git.ChangeFunc{
		"same bytes": setting(map[string]string{"a": "1"}),
		"no edits":   setting(nil),
		"delete what is not": func(context.Context, *source.Artifact) (git.Change, error) {
			return git.Change{Message: "m", Edits: []git.Edit{{Path: "x/y", Delete: true}}}, nil
		},
	} {
		done := pushAll(t, s, change, git.PushOptions{})
		if done.Changed || done.Revision.Hash() != head || repo.Git("rev-parse", "main") != head {
			t.Errorf("%s: %+v", name, done)
		}
	}
}

func TestPushIsDoneAgainWhenOutrun(t *testing.T) { eachTransport(t, testPushIsDoneAgainWhenOutrun) }

func testPushIsDoneAgainWhenOutrun(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"tag": "1", "other": "1"})
	s := open(t, git.Options{URL: repo.URL(), Reference: onMain})
	calls := 0
	change := func(_ context.Context, base *source.Artifact) (git.Change, error) {
		if calls++; calls <= 2 {
			repo.Commit(map[string]string{"other": strings.Repeat("x", calls)})
		}
		other, err := fs.ReadFile(base.FS(), "other")
		return git.Change{Message: "m", Edits: []git.Edit{{Path: "tag", Content: append([]byte("on "), other...)}}}, err
	}
	done := pushAll(t, s, change, git.PushOptions{})
	if done.Attempts != 3 || calls != 3 {
		t.Errorf("%+v after %d calls", done, calls)
	}
	if got := repo.Git("show", "main:tag") + "," + repo.Git("show", "main:other"); got != "on xx,xx" {
		t.Errorf("the branch holds %s", got)
	}
	if n := repo.Git("rev-list", "--count", "main"); n != "4" {
		t.Errorf("%s commits: somebody's work was lost", n)
	}
}

func TestPushRejectedByAHookIsNotTriedAgain(t *testing.T) {
	eachTransport(t, testPushRejectedByAHookIsNotTriedAgain)
}

func testPushRejectedByAHookIsNotTriedAgain(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	hook(t, repo, "pre-receive", "echo the branch is protected >&2; exit 1")
	calls := 0
	change := func(context.Context, *source.Artifact) (git.Change, error) {
		calls++
		return git.Change{Message: "m", Edits: []git.Edit{{Path: "a", Content: []byte("2")}}}, nil
	}
	_, err := open(t, git.Options{URL: repo.URL(), Reference: onMain}).Push(t.Context(), change, git.PushOptions{Author: bot})
	wantError(t, err, git.ErrRejected, "the branch is protected", "refs/heads/main", repo.URL())
	if calls != 1 {
		t.Errorf("%d calls", calls)
	}
}

func hook(t *testing.T, repo *gitserver.Repo, name, script string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(repo.Dir, "hooks", name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestPushToOtherReferences(t *testing.T) { eachTransport(t, testPushToOtherReferences) }

func testPushToOtherReferences(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	first := repo.Commit(map[string]string{"a": "1"})
	repo.Git("config", "receive.advertisePushOptions", "true")
	hook(t, repo, "post-receive", `echo "$GIT_PUSH_OPTION_COUNT $GIT_PUSH_OPTION_0" > `+repo.Dir+"/options")
	s := open(t, git.Options{URL: repo.URL(), Reference: onMain})
	done := pushAll(t, s, setting(map[string]string{"a": "2"}), git.PushOptions{
		Branch: "image-updates", RefSpec: "HEAD:refs/heads/copy", Options: map[string]string{"merge_request.create": "true"},
	})
	if diff := cmp.Diff([]string{"refs/heads/image-updates", "refs/heads/copy"}, done.Refs); diff != "" {
		t.Error(diff)
	}
	if repo.Git("rev-parse", "main") != first || repo.Git("rev-parse", "copy") != done.Revision.Hash() {
		t.Error("wrong references moved")
	}
	if got, err := os.ReadFile(repo.Dir + "/options"); err != nil || string(got) != "1 merge_request.create=true\n" {
		t.Errorf("push options: %q, %v", got, err)
	}
	again := pushAll(t, s, setting(map[string]string{"a": "3"}), git.PushOptions{Branch: "image-updates"})
	if parent := repo.Git("rev-parse", again.Revision.Hash()+"^"); parent != done.Revision.Hash() {
		t.Error("a second push did not build on the branch")
	}
	forced := pushAll(t, s, setting(map[string]string{"a": "4"}), git.PushOptions{Branch: "image-updates", Force: true})
	if parent := repo.Git("rev-parse", forced.Revision.Hash()+"^"); parent != first {
		t.Error("Force did not start from the source's reference")
	}
	same := pushAll(t, s, setting(map[string]string{"a": "4"}), git.PushOptions{Branch: "image-updates", Force: true})
	if same.Changed || same.Revision != forced.Revision || repo.Git("rev-parse", "image-updates") != forced.Revision.Hash() {
		t.Errorf("the same change was forced again: %+v", same)
	}
	repo.Branch("image-updates")
	repo.Commit(map[string]string{"b": "by another"})
	if over := pushAll(t, s, setting(map[string]string{"a": "4"}), git.PushOptions{Branch: "image-updates", Force: true}); !over.Changed {
		t.Error("Force left what another pushed on top")
	}
	_, err := s.Push(t.Context(), setting(map[string]string{"a": "5"}), git.PushOptions{Author: bot, RefSpec: "HEAD:refs/heads/copy"})
	wantError(t, err, git.ErrRejected, "leading +")
	pushAll(t, s, setting(map[string]string{"a": "5"}), git.PushOptions{RefSpec: "+HEAD:refs/heads/copy"})

	repo.Branch("main")
	human := repo.Commit(map[string]string{"c": "by another"})
	equal := pushAll(t, s, setting(map[string]string{"a": "6"}), git.PushOptions{RefSpec: "refs/heads/main:refs/heads/main"})
	if got := repo.Git("rev-parse", "main", "main^"); got != equal.Revision.Hash()+"\n"+human {
		t.Errorf("a refspec that is the branch itself did not build on it: %s", got)
	}
}

func TestPushOptionsThatMakeNoSense(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	repo.Tag("v1.0.0")
	s := open(t, git.Options{URL: repo.URL(), Reference: onMain})
	ok := setting(map[string]string{"a": "2"})
	edit := func(p string) git.ChangeFunc {
		return func(context.Context, *source.Artifact) (git.Change, error) {
			return git.Change{Message: "m", Edits: []git.Edit{{Path: p, Content: []byte("x")}}}, nil
		}
	}
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		change git.ChangeFunc
		opts   git.PushOptions
		is     error
	}{
		"no author":     {ok, git.PushOptions{}, source.ErrInvalid},
		"author forges": {ok, git.PushOptions{Author: git.Signature{Name: "A <b>\nparent x", Email: "e"}}, source.ErrInvalid},
		"no change":     {nil, git.PushOptions{Author: bot}, source.ErrInvalid},
		"branch":        {ok, git.PushOptions{Author: bot, Branch: "a..b"}, source.ErrInvalid},
		"refspec":       {ok, git.PushOptions{Author: bot, RefSpec: "other:refs/heads/x"}, source.ErrInvalid},
		"no message": {func(context.Context, *source.Artifact) (git.Change, error) {
			return git.Change{Edits: []git.Edit{{Path: "n"}}}, nil
		}, git.PushOptions{Author: bot}, source.ErrInvalid},
		"outside":           {edit("../x"), git.PushOptions{Author: bot}, source.ErrUnsafe},
		"Git's folder":      {edit(".git/hooks/x"), git.PushOptions{Author: bot}, source.ErrUnsafe},
		"below a file":      {edit("a/b"), git.PushOptions{Author: bot}, source.ErrInvalid},
		"change fails":      {func(context.Context, *source.Artifact) (git.Change, error) { return git.Change{}, boom }, git.PushOptions{Author: bot}, boom},
		"options not taken": {ok, git.PushOptions{Author: bot, Options: map[string]string{"a": "b"}}, git.ErrRejected},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Push(t.Context(), c.change, c.opts)
			wantError(t, err, c.is)
		})
	}
	_, err := open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Tag: "v1.0.0"}}).Push(t.Context(), ok, git.PushOptions{Author: bot})
	wantError(t, err, source.ErrInvalid, "PushOptions.Branch")
}

func TestPushToSHA256RepositoryWithTheSystemsGit(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app", "--object-format=sha256")
	repo.Commit(map[string]string{"a": "1", "b/c": "2"})
	private, public := gitserver.NewKey(t, "")
	signer, err := signature.NewSSHSigner(private, "")
	if err != nil {
		t.Fatal(err)
	}
	opts := git.Options{URL: repo.URL(), Reference: onMain, Transport: git.TransportGit, Mirrors: mirrors(t), Verify: &git.Verify{
		Keys: keyring(t, map[string][]byte{"x.sshpub": ssh.MarshalAuthorizedKey(public)}),
	}}
	s := open(t, opts)
	done := pushAll(t, s, setting(map[string]string{"a": "3", "new/file": "4"}), git.PushOptions{Signer: signer})
	repo.Git("fsck", "--strict")
	if head := repo.Git("rev-parse", "main"); done.Revision.String() != "main@sha256:"+head {
		t.Errorf("%s, but the server has %s", done.Revision, head)
	}
	for _, source := range []*git.Source{s, open(t, git.Options{URL: opts.URL, Reference: onMain, Transport: git.TransportGit, Verify: opts.Verify})} {
		if diff := cmp.Diff(map[string]string{"a": "3", "b/c": "2", "new/file": "4"}, files(t, take(t, source))); diff != "" {
			t.Error(diff)
		}
	}
	opts.Transport, opts.Mirrors = git.TransportGoGit, mirrors(t)
	wantError(t, resolveError(t, opts), source.ErrInvalid, "SHA-256", "TransportGit")
}

// pgpKey makes a PGP key: both halves armored.
func pgpKey(t *testing.T) (private, public []byte) {
	t.Helper()
	e, err := openpgp.NewEntity("Bot", "", "bot@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	var priv, pub bytes.Buffer
	w, err := armor.Encode(&priv, openpgp.PrivateKeyType, nil)
	if err == nil {
		err = errors.Join(e.SerializePrivate(w, nil), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	w, err = armor.Encode(&pub, openpgp.PublicKeyType, nil)
	if err == nil {
		err = errors.Join(e.Serialize(w), w.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return priv.Bytes(), pub.Bytes()
}

func keyring(t *testing.T, data map[string][]byte) signature.Keyring {
	t.Helper()
	k, err := signature.KeyringFromSecret(data)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSignedPushIsVerified(t *testing.T) { eachTransport(t, testSignedPushIsVerified) }

func testSignedPushIsVerified(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	pgpPrivate, pgpPublic := pgpKey(t)
	sshPrivate, sshPublic := gitserver.NewKey(t, "pass")
	byPGP, err := signature.NewPGPSigner(pgpPrivate, "")
	if err != nil {
		t.Fatal(err)
	}
	bySSH, err := signature.NewSSHSigner(sshPrivate, "pass")
	if err != nil {
		t.Fatal(err)
	}
	authorized := ssh.MarshalAuthorizedKey(sshPublic)
	m := mirrors(t)
	base := git.Options{URL: repo.URL(), Reference: onMain, Mirrors: m}
	for name, c := range map[string]struct {
		signer      *signature.Signer
		right, none map[string][]byte
	}{
		"PGP": {byPGP, map[string][]byte{"a.asc": []byte("not a key"), "b.asc": pgpPublic}, map[string][]byte{"x.sshpub": authorized}},
		"SSH": {bySSH, map[string][]byte{"x.sshpub": append([]byte("bad line\n"), authorized...)}, map[string][]byte{"b.asc": pgpPublic}},
	} {
		t.Run(name, func(t *testing.T) {
			done := pushAll(t, open(t, base), setting(map[string]string{"a": name}), git.PushOptions{Signer: c.signer})
			repo.Git("fsck", "--strict")
			opts := base
			opts.Verify = &git.Verify{Keys: keyring(t, c.right)}
			a := take(t, open(t, opts))
			if got := a.Metadata()[git.MetadataCommitSigner]; got != c.signer.String() || a.Revision() != done.Revision {
				t.Errorf("signed by %q, not %q", got, c.signer)
			}
			opts.Verify = &git.Verify{Keys: keyring(t, c.none)}
			s := open(t, opts)
			_, err := s.Fetch(t.Context(), done.Revision)
			wantError(t, err, source.ErrVerification, done.Revision.Hash())
		})
	}
	allowed := filepath.Join(t.TempDir(), "allowed")
	if err := os.WriteFile(allowed, append([]byte("bot@example.com "), authorized...), 0o600); err != nil {
		t.Fatal(err)
	}
	pushAll(t, open(t, base), setting(map[string]string{"a": "for git"}), git.PushOptions{Signer: bySSH})
	repo.Git("-c", "gpg.format=ssh", "-c", "gpg.ssh.allowedSignersFile="+allowed, "verify-commit", "main")
}

func TestVerifyTags(t *testing.T) { eachTransport(t, testVerifyTags) }

func testVerifyTags(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	private, public := gitserver.NewKey(t, "")
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, private, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key+".pub", ssh.MarshalAuthorizedKey(public), 0o600); err != nil {
		t.Fatal(err)
	}
	signed := []string{"-c", "gpg.format=ssh", "-c", "user.signingkey=" + key}
	repo.Commit(map[string]string{"a": "unsigned"})
	repo.Git(append(signed, "tag", "-s", "-m", "m", "v1.0.0")...)
	repo.TagAnnotated("v1.1.0")
	repo.Tag("v1.2.0")
	repo.Git(append(signed, "commit", "-S", "--allow-empty", "-qm", "signed")...)
	repo.Git(append(signed, "tag", "-s", "-m", "m", "v2.0.0")...)
	// A signed tag object under another name.
	repo.Git("update-ref", "refs/tags/v3.0.0", repo.Git("rev-parse", "refs/tags/v2.0.0"))
	keys := keyring(t, map[string][]byte{"k.sshpub": ssh.MarshalAuthorizedKey(public)})
	for name, c := range map[string]struct {
		tag  string
		mode git.VerifyMode
		good bool
	}{
		"signed tag on an unsigned commit":     {"v1.0.0", git.VerifyTag, true},
		"unsigned commit below a signed tag":   {"v1.0.0", git.VerifyTagAndHEAD, false},
		"annotated, not signed":                {"v1.1.0", git.VerifyTag, false},
		"lightweight":                          {"v1.2.0", git.VerifyTag, false},
		"both":                                 {"v2.0.0", git.VerifyTagAndHEAD, true},
		"commit alone":                         {"v2.0.0", git.VerifyHEAD, true},
		"signed for another name":              {"v3.0.0", git.VerifyTag, false},
		"unsigned commit, tag does not matter": {"v1.0.0", git.VerifyHEAD, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, git.Options{URL: repo.URL(), Reference: git.Reference{Tag: c.tag}, Verify: &git.Verify{Mode: c.mode, Keys: keys}})
			rev, err := s.Resolve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			a, err := s.Fetch(t.Context(), rev)
			if c.good {
				if err != nil {
					t.Fatal(err)
				}
				if tag := c.mode != git.VerifyHEAD; tag != (a.Metadata()[git.MetadataTagSigner] != "") {
					t.Errorf("metadata %v", a.Metadata())
				}
				return
			}
			wantError(t, err, source.ErrVerification)
		})
	}
	for _, ref := range []git.Reference{onMain, {Commit: repo.Head()}, {Name: "refs/heads/main"}, {}} {
		_, err := git.New(git.Options{URL: repo.URL(), Reference: ref, Mirrors: mirrors(t), Verify: &git.Verify{Mode: git.VerifyTag, Keys: keys}})
		wantError(t, err, source.ErrInvalid, "wants a tag")
	}
	_, err := git.New(git.Options{URL: repo.URL(), Mirrors: mirrors(t), Verify: &git.Verify{}})
	wantError(t, err, source.ErrInvalid, "Verify.Keys")
}

func TestAuthorTimeIsKept(t *testing.T) { eachTransport(t, testAuthorTimeIsKept) }

func testAuthorTimeIsKept(t *testing.T) {
	srv := gitserver.New(t, gitserver.Options{})
	repo := srv.Repo("app")
	repo.Commit(map[string]string{"a": "1"})
	s := open(t, git.Options{URL: repo.URL(), Reference: onMain})
	who := bot
	who.When = time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	if _, err := s.Push(t.Context(), setting(map[string]string{"a": "2"}), git.PushOptions{Author: who}); err != nil {
		t.Fatal(err)
	}
	if got := repo.Git("log", "-1", "--format=%aI %cI", "main"); got != "2026-01-02T03:04:05+01:00 2026-01-02T03:04:05+01:00" {
		t.Error(got)
	}
}
