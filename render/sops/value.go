package sops

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The format of a value, as in SOPS:
// ENC[AES256_GCM,data:…,iv:…,tag:…,type:str], authenticated with its path.
const (
	valuePrefix = "ENC[AES256_GCM,"
	nonceSize   = 32
	tagSize     = 16
)

// comment is the decrypted text of a comment.
type comment string

func isEncryptedValue(s string) bool {
	return strings.HasPrefix(s, valuePrefix) && strings.HasSuffix(s, "]")
}

// openValue decrypts a value. An empty one is never encrypted.
func openValue(s string, key []byte, path string) (any, error) {
	if s == "" {
		return "", nil
	}
	if !isEncryptedValue(s) {
		return nil, fmt.Errorf("%w: an encrypted value is wanted", ErrFormat)
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(s[len(valuePrefix):len(s)-1], ",") {
		name, v, _ := strings.Cut(part, ":")
		fields[name] = v
	}
	var raw [3][]byte
	for i, name := range []string{"data", "iv", "tag"} {
		b, err := base64.StdEncoding.DecodeString(fields[name])
		if err != nil {
			return nil, fmt.Errorf("%w: %s of the value is no base64", ErrFormat, name)
		}
		raw[i] = b
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("%w: the data key has %d bytes", ErrFormat, len(key))
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(raw[1]))
	if err != nil {
		return nil, fmt.Errorf("%w: no initialization vector", ErrFormat)
	}
	plain, err := gcm.Open(nil, raw[1], append(raw[0], raw[2]...), []byte(path))
	if err != nil {
		return nil, ErrValue
	}
	return typed(string(plain), fields["type"])
}

// typed reads a decrypted value. Its errors say nothing of the value.
func typed(plain, kind string) (v any, err error) {
	switch kind {
	case "str", "bytes":
		return plain, nil
	case "int":
		v, err = strconv.Atoi(plain)
	case "float":
		v, err = strconv.ParseFloat(plain, 64)
	case "bool":
		v, err = strconv.ParseBool(plain)
	case "time":
		var t time.Time
		err = t.UnmarshalText([]byte(plain))
		v = t
	case "comment":
		return comment(plain), nil
	default:
		return nil, fmt.Errorf("%w: unknown type of value", ErrFormat)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the value is no %s", ErrFormat, kind)
	}
	return v, nil
}

// sealValue encrypts a value.
func sealValue(v any, key []byte, path string) (string, error) {
	plain, kind, err := valueBytes(v)
	if err != nil || len(plain) == 0 {
		return "", err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, nonceSize)
	if err != nil {
		return "", err
	}
	iv := make([]byte, nonceSize)
	_, _ = rand.Read(iv) // never fails
	sealed := gcm.Seal(nil, iv, plain, []byte(path))
	data, tag := sealed[:len(sealed)-tagSize], sealed[len(sealed)-tagSize:]
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%sdata:%s,iv:%s,tag:%s,type:%s]", valuePrefix, b64(data), b64(iv), b64(tag), kind), nil
}

// valueBytes writes a value as it is encrypted and hashed.
func valueBytes(v any) (plain []byte, kind string, err error) {
	switch v := v.(type) {
	case string:
		return []byte(v), "str", nil
	case int:
		return []byte(strconv.Itoa(v)), "int", nil
	case float64:
		return []byte(strconv.FormatFloat(v, 'f', -1, 64)), "float", nil
	case bool:
		if v {
			return []byte("True"), "bool", nil
		}
		return []byte("False"), "bool", nil
	case time.Time:
		b, err := v.MarshalText()
		return b, "time", err
	case comment:
		return []byte(v), "comment", nil
	}
	return nil, "", fmt.Errorf("%w: a value of type %T", ErrUnsupported, v)
}
