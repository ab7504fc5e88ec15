package imagepolicy

import "strings"

// numericalRank ranks integers and decimals. The key is the sign, the number of
// digits before the point, those digits, and those after it; a negative number
// has it inverted.
func numericalRank(key []byte, value string) ([]byte, Reason) {
	rest, negative := value, false
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		negative, rest = rest[0] == '-', rest[1:]
	}
	whole, fraction, point := strings.Cut(rest, ".")
	if digits(whole) != len(whole) || digits(fraction) != len(fraction) || whole == "" || point && fraction == "" {
		return key, NotANumber
	}
	fraction = strings.TrimRight(fraction, "0")
	if strings.Trim(whole, "0") == "" && fraction == "" {
		negative = false // -0 is 0
	}
	start := len(key)
	key = append(key, 1)
	key = append(appendInteger(key, whole), fraction...)
	if !negative {
		return key, ""
	}
	key[start] = 0
	for i := start + 1; i < len(key); i++ {
		key[i] = ^key[i]
	}
	return append(key, 0xff), "" // a longer fraction is further below
}

// digits returns how many ASCII digits s begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}
