package git

import (
	"strings"
	"testing"
)

const samplePointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"

func TestParsePointer(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"as the specification shows it": {samplePointer, true},
		"of the first version":          {strings.Replace(samplePointer, "git-lfs.github.com", "hawser.github.com", 1), true},
		"with a key of its own":         {strings.Replace(samplePointer, "oid", "note x\noid", 1), true},
		"of another version":            {strings.Replace(samplePointer, "v1", "v2", 1), false},
		"cut off":                       {samplePointer[:len(samplePointer)-1], false},
		"without a size":                {samplePointer[:strings.Index(samplePointer, "size")], false},
		"with two sizes":                {samplePointer + "size 1\n", false},
		"unsorted":                      {samplePointer + "a b\n", false},
		"with a negative size":          {strings.Replace(samplePointer, "12345", "-1", 1), false},
		"with another hash":             {strings.Replace(samplePointer, "sha256:", "md5:", 1), false},
		"with a short hash":             {strings.Replace(samplePointer, "4d7a", "", 1), false},
		"with a path in the hash":       {strings.Replace(samplePointer, "4d7a", "../.", 1), false},
		"in capitals":                   {strings.Replace(samplePointer, "4d7a", "4D7A", 1), false},
		"of Windows":                    {strings.ReplaceAll(samplePointer, "\n", "\r\n"), false},
		"empty":                         {"", false},
	} {
		p, ok, err := parsePointer([]byte(c.text))
		if ok != c.want || err != nil || ok && (p.size != 12345 || len(p.oid) != 64) {
			t.Errorf("%s: %v %v %v", name, p, ok, err)
		}
	}
}

func FuzzParsePointer(f *testing.F) {
	f.Add([]byte(samplePointer))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, ok, err := parsePointer(data)
		if ok && (err != nil || p.size < 0 || strings.Trim(p.oid, "0123456789abcdef") != "" || len(p.oid) != 64) {
			t.Errorf("%q gives %+v %v", data, p, err)
		}
	})
}
