package git

import "encoding/hex"

// oid is an object id: 20 raw bytes for SHA-1, 32 for SHA-256.
type oid string

func parseOID(s string) (oid, bool) {
	if len(s) != 40 && len(s) != 64 {
		return "", false
	}
	raw, err := hex.DecodeString(s)
	if err != nil {
		return "", false
	}
	return oid(raw), true
}

func (o oid) hex() string { return hex.EncodeToString([]byte(o)) }

func (o oid) algorithm() string {
	if len(o) == 32 {
		return "sha256"
	}
	return "sha1"
}
