package health

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// KindsWithReaders returns the kinds that are not read by the general rules.
func KindsWithReaders() []schema.GroupKind {
	return slices.SortedFunc(maps.Keys(readers), func(a, b schema.GroupKind) int { return strings.Compare(a.String(), b.String()) })
}
