// Package imagepolicy answers which tag of an image should run.
//
// A [Policy] is made once from a [Spec]; it knows semantic versions in a range,
// alphabetical, numerical and calendar order, each over the whole tag or over
// what a regular expression takes out of it, and the date of creation. A [Set] holds the tags of one image
// for any number of policies:
//
//	policy, err := imagepolicy.New(imagepolicy.Spec{Kind: imagepolicy.Semver, Range: ">=6.0.0 <7.0.0"})
//	if err != nil {
//		return err // an *imagepolicy.Error that names the field
//	}
//	set := imagepolicy.NewSet("6.0.0", "6.1.0", "7.0.0", "latest")
//	choice, err := set.Select(policy)
//	if err != nil {
//		return err // imagepolicy.ErrNoTag when no tag is eligible
//	}
//	fmt.Println(choice.Tag) // 6.1.0
//	set.Add("6.2.0")
//	choice, err = set.Select(policy) // 6.2.0, and only that tag was looked at
//	fmt.Println(set.Explain(policy))
//
// # What it guarantees
//
// The same tags give the same choice, in whatever order and steps they were
// added: of tags that rank the same, such as 1.0.0 and v1.0.0, the bytewise
// greatest is chosen, in both orders. The choice is always the tag as the
// registry spells it. Numbers are compared digit by digit, so that integers and
// decimals of any length keep their order. Tags that a policy cannot use are
// skipped, counted by [Reason], and listed by [Set.Explain]; they never stop it.
//
// A policy's first [Set.Select] looks at every tag; from then on it costs what has
// changed: an added or removed tag is parsed once for each policy in use, and a
// vanished winner is replaced by the next best without parsing anything again.
//
// A set keeps 24 bytes for each tag beside its text, and some 28 for each policy
// that the tag is eligible for (measured by bench/images).
//
// A Set may be used by several goroutines at the same time.
//
// # What it does not do
//
// It does not talk to registries: the tags, and the dates that the kind Newest
// ranks, come from the caller. The packages below this one do the rest: scan lists
// the tags of a registry and chooses among them, with digests, signatures and soak
// times; setters writes a choice into YAML files; update brings that into a Git
// repository.
package imagepolicy
