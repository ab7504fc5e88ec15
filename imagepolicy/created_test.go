package imagepolicy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNewestIsThatOfAllDatedTags(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	p := mustNew(t, Spec{Kind: Newest, Pattern: "^[a-m]"})
	set, model := &Set{}, map[string]time.Time{}
	rounds := 2000
	if testing.Short() {
		rounds = 200
	}
	for range rounds {
		name := string(rune('a'+r.IntN(26))) + fmt.Sprint(r.IntN(4))
		switch r.IntN(4) {
		case 0:
			set.Remove(name)
			delete(model, name)
		case 1:
			set.Add(name)
			if _, ok := model[name]; !ok {
				model[name] = time.Time{}
			}
		default:
			at := time.Unix(int64(r.IntN(50)), int64(r.IntN(3)))
			set.SetCreated(name, at)
			if _, ok := model[name]; ok {
				model[name] = at
			}
		}
		want := ""
		for tag, at := range model {
			after := at.Compare(model[want])
			if tag < "n" && at.After(time.Unix(0, 0)) && (want == "" || after > 0 || after == 0 && tag > want) {
				want = tag
			}
		}
		got, err := set.Select(p)
		if got.Tag != want || (err == nil) != (want != "") {
			t.Fatalf("got %q, error %v, want %q of %v", got.Tag, err, want, model)
		}
		if diff := cmp.Diff(got, set.Explain(p).Choice); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestDatesAreAskedForCandidatesOnly(t *testing.T) {
	p := mustNew(t, Spec{Kind: Newest, Pattern: "^main-"})
	set := NewSet("main-1", "main-2", "dev-1")
	if diff := cmp.Diff([]string{"main-1", "main-2"}, set.Undated(p)); diff != "" {
		t.Error(diff)
	}
	set.SetCreated("main-2", time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC))
	set.SetCreated("main-1", time.Time{})
	if got := set.Undated(p); len(got) != 0 {
		t.Errorf("%q have dates", got)
	}
	const want = `policy: newest, pattern "^main-"
chosen: main-2, of 1 eligible of 3 tags
ranked by: 2024-05-06T07:08:09Z
skipped, does not match the pattern: dev-1
skipped, no date of creation: main-1
`
	if diff := cmp.Diff(want, set.Explain(p).String()); diff != "" {
		t.Error(diff)
	}
	set.Remove("main-2")
	set.Add("main-2")
	if _, ok := set.Created("main-2"); ok {
		t.Error("a tag that was removed kept its date")
	}
	if got := set.Undated(mustNew(t, Spec{Kind: Alphabetical})); got != nil {
		t.Errorf("%q need no date", got)
	}
}

func TestBestAreThoseThatWouldWinInTurn(t *testing.T) {
	seeds := uint64(10)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(seed, 5))
		set, tags := &Set{}, map[string]bool{}
		for range 60 {
			change(r, set, tags)
		}
		for _, s := range specs() {
			p := mustNew(t, s)
			got := set.Best(p, 7)
			rest := NewSet(set.Tags()...)
			var want []string
			for range 7 {
				if choice, err := rest.Select(p); err == nil {
					want = append(want, choice.Tag)
					rest.Remove(choice.Tag)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, %s: got %q, want %q", seed, p, got, want)
			}
		}
	}
}
