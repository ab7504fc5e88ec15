package update

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/gitopskit/gitopskit/imagepolicy/setters"
)

// repository is one in memory.
type repository struct {
	files   fstest.MapFS
	targets []Target
	log     []string
	rival   func() // pushes before we do, once
	err     error
}

func (r *repository) Push(ctx context.Context, change ChangeFunc, to Target) (Pushed, error) {
	if r.err != nil {
		return Pushed{}, r.err
	}
	for attempt := 1; ; attempt++ {
		c, err := change(ctx, r.files)
		if err != nil || len(c.Files) == 0 {
			return Pushed{Revision: "old", Attempts: attempt}, err
		}
		if r.rival != nil {
			r.rival()
			r.rival = nil
			continue
		}
		for name, content := range c.Files {
			r.files[name] = &fstest.MapFile{Data: content}
		}
		r.log, r.targets = append(r.log, c.Message), append(r.targets, to)
		return Pushed{Revision: "new", Changed: true, Attempts: attempt}, nil
	}
}

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: prod}
spec:
  template:
    spec:
      containers:
      - image: ghcr.io/org/app:1.0.0 # {"$imagepolicy": "flux-system:app"}
      - image: nginx:1.24 # {"$imagepolicy": "flux-system:nginx"}
`

func files() fstest.MapFS {
	return fstest.MapFS{
		"clusters/prod/web.yaml":  {Data: []byte(deployment)},
		"clusters/prod/kust.yaml": {Data: []byte("images:\n- newTag: 1.0.0 # {\"$imagepolicy\": \"flux-system:app:tag\"}\n")},
		"other/web.yaml":          {Data: []byte(deployment)},
		"clusters/prod/bad.yaml":  {Data: []byte("a: [ # {\"$imagepolicy\": \"flux-system:app\"}\n")},
	}
}

func options(r Repository) Options {
	return Options{
		Repository: r, Path: "clusters/prod", Automation: Name{"flux-system", "updates"}, Values: map[string]string{"env": "prod"},
		Images: map[setters.Policy]setters.Image{
			{Namespace: "flux-system", Name: "app"}:   {Name: "ghcr.io/org/app", Tag: "1.1.0"},
			{Namespace: "flux-system", Name: "nginx"}: {Name: "nginx", Tag: "1.25", Digest: "sha256:" + strings.Repeat("0", 64)},
		},
	}
}

func TestOnlyThePathIsUpdated(t *testing.T) {
	r := &repository{files: files()}
	got, err := Run(t.Context(), options(r))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range got.Files {
		names = append(names, name)
	}
	if len(names) != 2 || string(r.files["other/web.yaml"].Data) != deployment || len(got.Changes) != 3 || got.Changes[0].File != "clusters/prod/kust.yaml" {
		t.Errorf("got %q, %v", names, got.Changes)
	}
	if len(got.Skipped) != 1 || got.Skipped[0].File != "clusters/prod/bad.yaml" {
		t.Errorf("skipped %v", got.Skipped)
	}
	if diff := cmp.Diff([]string{DefaultMessage}, r.log); diff != "" || !got.Pushed.Changed {
		t.Errorf("%+v %s", got.Pushed, diff)
	}
	again, err := Run(t.Context(), options(r))
	if err != nil || len(again.Changes) != 0 || again.Pushed.Changed || len(r.log) != 1 {
		t.Errorf("a second time: %+v, error %v", again, err)
	}
}

// TestTemplatesOfBothModels fills in what the documentation of Flux shows, for the
// data of today and of v1beta1.
func TestTemplatesOfBothModels(t *testing.T) {
	for name, c := range map[string]struct{ template, want string }{
		"changed": {`Automation: {{ .AutomationObject }}
{{ range $filename, $_ := .Changed.FileChanges -}}
- {{ $filename }}
{{ end -}}
{{ range $resource, $changes := .Changed.Objects -}}
- {{ $resource.Kind }}/{{ $resource.Namespace }}/{{ $resource.Name }}{{ range $_, $change := $changes }} {{ $change.OldValue }} -> {{ $change.NewValue }}{{ end }}
{{ end -}}
{{ range .Changed.Changes -}}
{{ .Setter }}
{{ end -}}
{{ .Values.env | upper }}`, `Automation: flux-system/updates
- clusters/prod/kust.yaml
- clusters/prod/web.yaml
- // 1.0.0 -> 1.1.0
- Deployment/prod/web ghcr.io/org/app:1.0.0 -> ghcr.io/org/app:1.1.0 nginx:1.24 -> nginx:1.25@sha256:0000000000000000000000000000000000000000000000000000000000000000
flux-system:app:tag
flux-system:app
flux-system:nginx
PROD`},
		"updated": {`{{ range $filename, $_ := .Updated.Files -}}
- {{ $filename }}
{{ end -}}
{{ range $resource, $_ := .Updated.Objects -}}
- {{ $resource.Kind }} {{ $resource.Name }}
{{ end -}}
{{ range .Updated.Images -}}
- {{.}} {{ .Registry }} {{ .Repository }} {{ .Name | trunc 30 }} {{ .Identifier | trunc 8 }} by {{ .Policy.Namespace }}/{{ .Policy.Name }}
{{ end -}}`, `- clusters/prod/kust.yaml
- clusters/prod/web.yaml
-  
- Deployment web
- ghcr.io/org/app:1.1.0 ghcr.io org/app ghcr.io/org/app:1.1.0 1.1.0 by flux-system/app
- nginx:1.25@sha256:0000000000000000000000000000000000000000000000000000000000000000 index.docker.io library/nginx index.docker.io/library/nginx@ sha256:0 by flux-system/nginx
`},
		"image result": {`{{ range .Changed.ImageResult.Images }}{{ .Policy }};{{ end }}`, "flux-system/app;flux-system/nginx;"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &repository{files: files()}
			opts := options(r)
			opts.Message = c.template
			if _, err := Run(t.Context(), opts); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, r.log[0]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBadTemplatesSayWhere(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Options)
		ref    string
		words  string
	}{
		"syntax":            {func(o *Options) { o.Message = "a\n{{ .Changed" }, "Message", "Message:2"},
		"unknown function":  {func(o *Options) { o.Branch = "{{ env \"HOME\" }}" }, "Branch", `function "env" not defined`},
		"unknown field":     {func(o *Options) { o.Message = "{{ .Nothing }}" }, "Message", "Message:1:3"},
		"nothing comes out": {func(o *Options) { o.Message = "{{ if false }}x{{ end }}" }, "Message", "nothing comes out"},
		"too much":          {func(o *Options) { o.Message = `{{ repeat 999999999 "x" }}` }, "Message", "too much"},
		"too many":          {func(o *Options) { o.Message = `{{ range until 999999999 }}x{{ end }}` }, "Message", "steps"},
		"too long":          {func(o *Options) { o.Message = `{{ range until 9999 }}{{ repeat 1000 "x" }}{{ end }}` }, "Message", "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &repository{files: files()}
			opts := options(r)
			c.change(&opts)
			_, err := Run(t.Context(), opts)
			var e *Error
			if !errors.Is(err, ErrTemplate) || !errors.As(err, &e) || e.Ref != c.ref || !strings.Contains(err.Error(), c.words) || len(r.log) > 0 {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestInvalidOptionsNameTheField(t *testing.T) {
	for field, change := range map[string]func(*Options){
		"Repository": func(o *Options) { o.Repository = nil },
		"Images":     func(o *Options) { o.Images = nil },
		"Branch":     func(o *Options) { o.PullRequests = &pulls{} },
		"Base":       func(o *Options) { o.PullRequests, o.Branch = &pulls{}, "b" },
		"Path":       func(o *Options) { o.Path = "../x" },
	} {
		opts := options(&repository{files: files()})
		change(&opts)
		var e *Error
		if _, err := Run(t.Context(), opts); !errors.Is(err, ErrInvalid) || !errors.As(err, &e) || e.Ref != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
	for _, path := range []string{"missing", "clusters/prod/web.yaml/x"} {
		opts := options(&repository{files: files()})
		opts.Path = path
		if _, err := Run(t.Context(), opts); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	for _, path := range []string{"", ".", "/", "./clusters", "/clusters/prod/"} {
		opts := options(&repository{files: files()})
		opts.Path = path
		if got, err := Run(t.Context(), opts); err != nil || len(got.Changes) == 0 {
			t.Errorf("%q: got %v, error %v", path, got.Changes, err)
		}
	}
}

func TestOutrunPushIsComputedAnew(t *testing.T) {
	r := &repository{files: files()}
	r.rival = func() {
		r.files["clusters/prod/web.yaml"] = &fstest.MapFile{Data: []byte("# by a human\n" + strings.Replace(deployment, "nginx:1.24", "nginx:1.24.1", 1))}
	}
	got, err := Run(t.Context(), options(r))
	if err != nil || got.Pushed.Attempts != 2 || len(got.Changes) != 3 {
		t.Fatalf("got %+v, error %v", got.Pushed, err)
	}
	want := "# by a human\n" + strings.NewReplacer("org/app:1.0.0", "org/app:1.1.0", "nginx:1.24", "nginx:1.25@sha256:"+strings.Repeat("0", 64)).Replace(deployment)
	if diff := cmp.Diff(want, string(r.files["clusters/prod/web.yaml"].Data)); diff != "" {
		t.Error(diff)
	}
}

func TestDryRunPushesNothing(t *testing.T) {
	r := &repository{files: files()}
	opts := options(r)
	opts.DryRun = true
	got, err := Run(t.Context(), opts)
	if err != nil || len(got.Changes) != 3 || len(got.Files) != 2 || got.Message != DefaultMessage || len(r.log) != 0 || got.Pushed.Changed {
		t.Errorf("got %+v, error %v, log %q", got, err, r.log)
	}
}

type pulls struct {
	asked []PullRequest
	err   error
}

func (p *pulls) Open(_ context.Context, r PullRequest) (Opened, error) {
	p.asked = append(p.asked, r)
	return Opened{Number: len(p.asked), URL: "https://forge/1", Created: true}, p.err
}

func TestEachUpdateHasABranchAndAPullRequest(t *testing.T) {
	r, p := &repository{files: files()}, &pulls{}
	opts := options(r)
	opts.Message = "Update {{ len .Changed.Changes }} images\n\n{{ range .Changed.Changes }}{{ .NewValue }}\n{{ end }}"
	opts.Branch, opts.Base, opts.PullRequests = "image-updates/{{ .ID }}", "main", p
	dry := opts
	dry.DryRun = true
	preview, err := Run(t.Context(), dry)
	if err != nil || len(p.asked) > 0 {
		t.Fatal(err)
	}
	got, err := Run(t.Context(), opts)
	if err != nil || got.Branch != preview.Branch || !strings.HasPrefix(got.Branch, "image-updates/") || len(got.Branch) != len("image-updates/")+12 {
		t.Fatalf("got %q after %q, error %v", got.Branch, preview.Branch, err)
	}
	if diff := cmp.Diff([]Target{{Branch: got.Branch}}, r.targets); diff != "" {
		t.Error(diff)
	}
	want := []PullRequest{{Branch: got.Branch, Base: "main", Title: "Update 3 images", Body: "1.1.0\nghcr.io/org/app:1.1.0\nnginx:1.25@sha256:" + strings.Repeat("0", 64)}}
	if diff := cmp.Diff(want, p.asked); diff != "" || got.PullRequest == nil || got.PullRequest.Number != 1 {
		t.Error(diff)
	}
	if _, err := Run(t.Context(), opts); err != nil || len(p.asked) != 1 || len(r.log) != 1 {
		t.Errorf("nothing to change, but %d pull requests, %d commits, error %v", len(p.asked), len(r.log), err)
	}

	r, p = &repository{files: files()}, &pulls{err: errors.New("HTTP 500")}
	opts.Repository, opts.PullRequests, opts.Title, opts.Body = r, p, "{{ .ID }}", "for {{ .Values.env }}"
	got, err = Run(t.Context(), opts)
	if !errors.Is(err, ErrPullRequest) || !got.Pushed.Changed || p.asked[0].Body != "for prod" || len(p.asked[0].Title) != 12 {
		t.Errorf("got %+v, error %v, %+v", got.Pushed, err, p.asked)
	}
}

func TestErrorOfTheRepositoryIsFound(t *testing.T) {
	broken := errors.New("protected branch")
	_, err := Run(t.Context(), options(&repository{files: files(), err: broken}))
	var e *Error
	if !errors.Is(err, broken) || !errors.As(err, &e) || e.Op != "push" {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, options(&repository{files: files()})); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		DefaultMessage, "{{ range .Changed.Changes }}{{ .OldValue }}{{ end }}", "{{ range .Updated.Images }}{{ . }}{{ end }}",
		`{{ repeat 3 "a" }}`, "{{ untilStep 0 9 2 }}", "{{ .Values.env | quote }}", "{{ index .Changed.Changes 9 }}", "{{ template \"x\" }}",
	} {
		f.Add(s)
	}
	contents, found, err := setters.Rewrite(fs.FS(files()), setters.Options{Images: options(nil).Images})
	if err != nil || len(contents) == 0 {
		f.Fatal(err)
	}
	data, err := newData(found.Changes, options(nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, source string) {
		parsed, err := parse("Message", source)
		if err != nil {
			if !errors.Is(err, ErrTemplate) {
				t.Error(err)
			}
			return
		}
		if out, err := parsed.fill(data); len(out) > maxText || err != nil && !errors.Is(err, ErrTemplate) {
			t.Errorf("%d bytes, error %v", len(out), err)
		}
	})
}
