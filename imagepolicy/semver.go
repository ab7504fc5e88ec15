package imagepolicy

import (
	"encoding/binary"
	"math/bits"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// semverRank ranks the versions in a range by the precedence of
// https://semver.org/spec/v2.0.0.html#spec-item-11.
func semverRank(versions string) (rankFunc, error) {
	if strings.TrimSpace(versions) == "" {
		return nil, invalid("Range", versions, "it is required, such as \">=1.0.0\"")
	}
	constraint, err := semver.NewConstraint(versions)
	if err != nil {
		return nil, invalid("Range", versions, "%w", err)
	}
	r := newVersionRange(constraint)
	return func(key []byte, value string) ([]byte, Reason) {
		v, ok := parseVersion(strings.TrimPrefix(value, "v"))
		if !ok {
			return key, NotAVersion
		}
		if !r.has(v) {
			return key, OutOfRange
		}
		return v.appendKey(key), ""
	}, nil
}

// version is a semantic version; pre and build have no hyphen and no plus before
// them.
type version struct {
	core       core
	pre, build string
}

// core is major, minor and patch.
type core [3]uint64

// maxVersionLength is that of semver.MaxVersionLen.
const maxVersionLength = 256

// parseVersion takes what semver.StrictNewVersion does, and allocates nothing.
func parseVersion(s string) (version, bool) {
	var v version
	if len(s) > maxVersionLength {
		return v, false
	}
	for i := range v.core {
		n := digits(s)
		if i < 2 && (n == len(s) || s[n] != '.') {
			return v, false
		}
		number, ok := parseNumber(s[:n])
		if !ok {
			return v, false
		}
		v.core[i] = number
		s = s[n:]
		if i < 2 {
			s = s[1:]
		}
	}
	if s == "" {
		return v, true
	}
	return v, v.parseRest(s)
}

// parseNumber reads a number without leading zeros that 64 bits hold.
func parseNumber(s string) (uint64, bool) {
	if s == "" || len(s) > 20 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	var n uint64
	for i := range len(s) {
		high, low := bits.Mul64(n, 10)
		sum, carry := bits.Add64(low, uint64(s[i]-'0'), 0)
		if high|carry != 0 {
			return 0, false
		}
		n = sum
	}
	return n, true
}

// parseRest reads what follows the three numbers.
func (v *version) parseRest(s string) bool {
	s, build, hasBuild := strings.Cut(s, "+")
	v.build = build
	if hasBuild && !identifiers(build, false) {
		return false
	}
	if s == "" {
		return true
	}
	v.pre = s[1:]
	return s[0] == '-' && identifiers(v.pre, true)
}

// identifiers says whether s is a list of identifiers with dots between them; if
// strict, those that are numbers have no leading zeros.
func identifiers(s string, strict bool) bool {
	for id := range strings.SplitSeq(s, ".") {
		if id == "" || strict && len(id) > 1 && id[0] == '0' && digits(id) == len(id) {
			return false
		}
		for i := range len(id) {
			c := id[i]
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-') {
				return false
			}
		}
	}
	return true
}

// appendKey writes a version so that bytewise order is precedence.
func (v version) appendKey(key []byte) []byte {
	for _, n := range v.core {
		size := (bits.Len64(n) + 7) / 8
		key = append(key, byte(size))
		for ; size > 0; size-- {
			key = append(key, byte(n>>(8*(size-1))))
		}
	}
	if v.pre == "" {
		return append(key, 0xff) // above all its pre-releases
	}
	for identifier := range strings.SplitSeq(v.pre, ".") {
		if digits(identifier) == len(identifier) {
			key = appendInteger(append(key, 1), identifier)
		} else {
			key = append(key, 2)
			key = append(key, identifier...)
			key = append(key, 0)
		}
	}
	return key // fewer identifiers are a prefix, and lower
}

// appendInteger writes decimal digits so that bytewise order is that of the
// numbers, of whatever length.
func appendInteger(key []byte, number string) []byte {
	number = strings.TrimLeft(number, "0")
	key = binary.BigEndian.AppendUint32(key, uint32(len(number)))
	return append(key, number...)
}
