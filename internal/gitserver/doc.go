// Package gitserver serves Git repositories to tests by the real programs: git
// http-backend behind a Go HTTP server, with or without TLS, and OpenSSH's sshd.
//
//	srv := gitserver.New(t, gitserver.Options{Username: "ann", Password: "secret"})
//	repo := srv.Repo("app")
//	sha := repo.Commit(map[string]string{"deploy/app.yaml": "kind: ConfigMap\n"})
//	url := repo.URL()
//
//	ssh := srv.SSH()
//	url, identity, known := ssh.URL(repo), ssh.Identity, ssh.KnownHosts
//
// Everything ends with the test. A test whose machine lacks git or sshd is
// skipped, or fails where CI is set.
package gitserver
