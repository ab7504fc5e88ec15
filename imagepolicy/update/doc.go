// Package update writes chosen images into a Git repository: it changes the marked
// scalars, commits, pushes, and opens a pull request if that is asked for.
//
//	result, err := update.Run(ctx, update.Options{
//		Repository: repository, // such as source/git's, behind a small adapter
//		Path:       "clusters/production",
//		Images:     map[setters.Policy]setters.Image{policy: image},
//		Message:    "{{ range .Changed.Changes }}{{ .OldValue }} -> {{ .NewValue }}\n{{ end }}",
//		Branch:     "image-updates/{{ .ID }}",
//		PullRequests: forge, // of package github, gitlab or gitea
//		Base:         "main",
//	})
//	if err != nil {
//		return err
//	}
//	fmt.Println(result.Pushed.Revision, result.PullRequest.URL)
//
// # What it guarantees
//
// The bytes that change are those of the marked scalars (package setters). The
// change is computed on the files that it is committed on: when another push comes
// first, both are in the end. Without a change nothing is committed, and no request
// for a pull is opened. All options and templates are checked before anything is
// asked of the repository.
//
// Templates have the data of Flux's ImageUpdateAutomation, that of today (.Changed,
// .Values, .AutomationObject) as well as that of v1beta1 and before (.Updated), and
// the functions of sprig that give the same for the same input.
//
// # What it does not do
//
// It does not choose images: the package scan does. It does not speak Git: see
// [Repository]. It merges no pull request, and closes none; one whose branch has a
// fixed name is brought up to date by the next update, which makes that branch anew
// and so discards what others pushed to it.
package update
