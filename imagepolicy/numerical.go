package imagepolicy

import (
	"encoding/binary"
	"strings"
)

// numericalRank ranks integers and decimals. The key is the sign, the number of
// digits before the point, those digits, and those after it; a negative number
// has it inverted.
func numericalRank(value string) (string, Reason) {
	rest, negative := value, false
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		negative, rest = rest[0] == '-', rest[1:]
	}
	whole, fraction, point := strings.Cut(rest, ".")
	if digits(whole) != len(whole) || digits(fraction) != len(fraction) || whole == "" || point && fraction == "" {
		return "", NotANumber
	}
	fraction = strings.TrimRight(fraction, "0")
	if strings.Trim(whole, "0") == "" && fraction == "" {
		negative = false // -0 is 0
	}
	key := make([]byte, 1, len(value)+6)
	key[0] = 1
	key = append(appendInteger(key, whole), fraction...)
	if !negative {
		return string(key), ""
	}
	key[0] = 0
	for i := range key[1:] {
		key[i+1] = ^key[i+1]
	}
	return string(append(key, 0xff)), "" // a longer fraction is further below
}

// appendInteger writes decimal digits so that bytewise order is that of the
// numbers, of whatever length.
func appendInteger(key []byte, number string) []byte {
	number = strings.TrimLeft(number, "0")
	key = binary.BigEndian.AppendUint32(key, uint32(len(number)))
	return append(key, number...)
}

// digits returns how many ASCII digits s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}
