package imagepolicy_test

import (
	"fmt"

	"github.com/gitopskit/gitopskit/imagepolicy"
)

func ExampleSet() {
	policy, err := imagepolicy.New(imagepolicy.Spec{Kind: imagepolicy.Semver, Range: ">=6.0.0 <7.0.0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	set := imagepolicy.NewSet("6.0.0", "6.1.0", "7.0.0", "latest")
	set.Add("6.2.0")
	fmt.Print(set.Explain(policy))
	// Output:
	// policy: semver ">=6.0.0 <7.0.0"
	// chosen: 6.2.0, of 3 eligible of 5 tags
	// over: 6.1.0, 6.0.0
	// skipped, not a semantic version: latest
	// skipped, out of range: 7.0.0
}

func ExamplePolicy_Select() {
	policy, err := imagepolicy.New(imagepolicy.Spec{
		Kind:    imagepolicy.Numerical,
		Pattern: `^main-[a-f0-9]+-(?P<timestamp>[0-9]+)$`,
		Extract: "$timestamp",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	choice, err := policy.Select([]string{"main-0a1b-1700000000", "main-ff00-1700000300", "dev-1234-1800000000"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(choice.Tag, choice.Value)
	// Output: main-ff00-1700000300 1700000300
}
