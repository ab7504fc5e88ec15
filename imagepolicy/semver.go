package imagepolicy

import (
	"encoding/binary"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// semverRank ranks the versions in a range by the precedence of
// https://semver.org/spec/v2.0.0.html#spec-item-11.
func semverRank(versions string) (func(string) (string, Reason), error) {
	if strings.TrimSpace(versions) == "" {
		return nil, invalid("Range", versions, "it is required, such as \">=1.0.0\"")
	}
	constraint, err := semver.NewConstraint(versions)
	if err != nil {
		return nil, invalid("Range", versions, "%w", err)
	}
	return func(value string) (string, Reason) {
		v, err := semver.StrictNewVersion(strings.TrimPrefix(value, "v"))
		if err != nil {
			return "", NotAVersion
		}
		if !constraint.Check(v) {
			return "", OutOfRange
		}
		return semverKey(v), ""
	}, nil
}

// semverKey writes a version so that bytewise order is precedence.
func semverKey(v *semver.Version) string {
	pre := v.Prerelease()
	key := make([]byte, 0, 25+2*len(pre))
	key = binary.BigEndian.AppendUint64(key, v.Major())
	key = binary.BigEndian.AppendUint64(key, v.Minor())
	key = binary.BigEndian.AppendUint64(key, v.Patch())
	if pre == "" {
		return string(append(key, 0xff)) // above all its pre-releases
	}
	for identifier := range strings.SplitSeq(pre, ".") {
		if digits(identifier) == len(identifier) {
			key = appendInteger(append(key, 1), identifier)
		} else {
			key = append(key, 2)
			key = append(key, identifier...)
			key = append(key, 0)
		}
	}
	return string(key) // fewer identifiers are a prefix, and lower
}
