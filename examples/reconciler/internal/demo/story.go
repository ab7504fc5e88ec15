package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	staging    = "shop-staging"
	production = "shop-production"
)

// story shows, step by step, what the reconciler is for. Every step checks that
// it has happened.
func (s *stage) story(ctx context.Context) error {
	steps := []struct {
		title string
		play  func(context.Context) error
	}{
		{"created: staging, then production, which depends on it", s.created},
		{"a commit is pushed: version 1.1.0", s.pushed},
		{"somebody edits the live Deployment by hand", s.edited},
		{"a file is deleted from Git", s.pruned},
		{"a broken manifest is pushed, together with version 2.0.0", s.refused},
		{"the commit is reverted: git revert", s.reverted},
	}
	for i, step := range steps {
		s.say("\n==> %d/%d  %s", i+1, len(steps), step.title)
		started := time.Now()
		if err := step.play(ctx); err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, step.title, err)
		}
		s.say("    done after %s", time.Since(started).Round(time.Millisecond))
	}
	s.say("\nAll %d steps have happened.", len(steps))
	return nil
}

func (s *stage) created(ctx context.Context) error {
	commit, err := git(ctx, "-C", s.repo.work, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	return s.view.applied(ctx, commit)
}

func (s *stage) pushed(ctx context.Context) error {
	if err := s.repo.edit("base/deployment.yaml", "shop:1.0.0", "shop:1.1.0"); err != nil {
		return err
	}
	commit, err := s.repo.push(ctx, "shop 1.1.0")
	if err != nil {
		return err
	}
	if err := s.view.applied(ctx, commit); err != nil {
		return err
	}
	return s.runs(ctx, production, "1.1.0")
}

// runs checks which version an environment runs.
func (s *stage) runs(ctx context.Context, namespace, version string) error {
	image, err := s.view.image(ctx, namespace)
	if err == nil && !strings.HasSuffix(image, ":"+version) {
		err = fmt.Errorf("%s runs %q and not version %s", namespace, image, version)
	}
	return err
}

func (s *stage) edited(ctx context.Context) error {
	patch := `{"spec":{"template":{"spec":{"containers":[{"name":"shop","image":"registry.example.com/shop:hotfix"}]}}}}`
	if err := s.view.edit(ctx, deployments, production, "shop", patch); err != nil {
		return err
	}
	started := time.Now()
	err := s.view.until(ctx, "the edit is reverted", func(ctx context.Context) (bool, error) {
		image, err := s.view.image(ctx, production)
		return strings.HasSuffix(image, ":1.1.0"), err
	})
	if err == nil {
		s.say("    the image was shop:hotfix for %s", time.Since(started).Round(time.Millisecond))
	}
	return err
}

func (s *stage) pruned(ctx context.Context) error {
	if err := s.repo.edit("base/kustomization.yaml", "  - banner.yaml\n", ""); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(s.repo.work, "base", "banner.yaml")); err != nil {
		return err
	}
	commit, err := s.repo.push(ctx, "remove the banner")
	if err != nil {
		return err
	}
	if err := s.view.applied(ctx, commit); err != nil {
		return err
	}
	left, err := s.view.get(ctx, configMaps, production, "banner")
	if err == nil && left != nil {
		err = errors.New("the ConfigMap banner is still there")
	}
	return err
}

func (s *stage) refused(ctx context.Context) error {
	if err := s.repo.edit("base/deployment.yaml", "shop:1.1.0", "shop:2.0.0"); err != nil {
		return err
	}
	if err := s.repo.edit("base/service.yaml", "port: 80\n", "port: 99999\n"); err != nil {
		return err
	}
	commit, err := s.repo.push(ctx, "shop 2.0.0, on a port that does not exist")
	if err != nil {
		return err
	}
	var message string
	err = s.view.until(ctx, "the commit is refused", func(ctx context.Context) (bool, error) {
		status, text, err := s.view.ready(ctx, "staging", commit)
		message = text
		return status == "False", err
	})
	if err != nil {
		return err
	}
	for _, want := range []string{"base/service.yaml", "Service/" + staging + "/shop", "spec.ports[0].port"} {
		if !strings.Contains(message, want) {
			return fmt.Errorf("the message does not name %s: %s", want, message)
		}
	}
	s.say("    nothing of it was applied: both environments still run 1.1.0")
	return errors.Join(s.runs(ctx, staging, "1.1.0"), s.runs(ctx, production, "1.1.0"))
}

func (s *stage) reverted(ctx context.Context) error {
	commit, err := s.repo.revert(ctx)
	if err != nil {
		return err
	}
	if err := s.view.applied(ctx, commit); err != nil {
		return err
	}
	return s.runs(ctx, production, "1.1.0")
}
