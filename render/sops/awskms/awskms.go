package awskms

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/gitopskit/gitopskit/render/sops"
	"github.com/gitopskit/gitopskit/render/sops/internal/cloud"
)

// Credentials prove who asks.
type Credentials struct {
	AccessKeyID     string `yaml:"aws_access_key_id"`
	SecretAccessKey string `yaml:"aws_secret_access_key"`
	// SessionToken comes with temporary credentials.
	SessionToken string `yaml:"aws_session_token"`
}

// Source is a sops.KeySource and, with ARN, a sops.Recipient.
type Source struct {
	// Credentials gives those of a request; it is required. role is the ARN of
	// the role that the file wants to be assumed, or "".
	Credentials func(ctx context.Context, role string) (Credentials, error)
	// Endpoint is the service's URL. Empty means that of the key's region.
	Endpoint string
	// ARN of the key for encryption, and the Role and Context written beside
	// it. Decryption takes them from the file.
	ARN, Role string
	Context   map[string]string
	// Client sends the requests. Nil means one with a timeout of 30 s.
	Client *http.Client
}

// ErrServer: the service refused or its answer can't be read.
var ErrServer = cloud.ErrServer

// ErrCredentials: there are none, or they can't be read.
var ErrCredentials = errors.New("awskms: credentials")

// Static gives the same credentials for each request, whatever role a file names.
func Static(c Credentials) func(context.Context, string) (Credentials, error) {
	return func(context.Context, string) (Credentials, error) { return c, nil }
}

// ParseCredentials reads YAML with aws_access_key_id, aws_secret_access_key and
// aws_session_token, as in Flux's Secrets.
func ParseCredentials(text []byte) (Credentials, error) {
	var c Credentials
	if err := yaml.Unmarshal(text, &c); err != nil {
		return Credentials{}, fmt.Errorf("%w: no YAML", ErrCredentials)
	}
	return c, c.check()
}

func (c Credentials) check() error {
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return fmt.Errorf("%w: set the access key's ID and the secret access key", ErrCredentials)
	}
	return nil
}

// arnForm is that of SOPS, with the partition and the region.
var arnForm = regexp.MustCompile(`^arn:(aws[a-z-]*):kms:([a-z0-9-]+):[0-9]+:(?:key|alias)/.+$`)

// domains are the public ones by partition.
func domain(partition string) (string, bool) {
	switch partition {
	case "aws", "aws-us-gov":
		return "amazonaws.com", true
	case "aws-cn":
		return "amazonaws.com.cn", true
	}
	return "", false
}

// OpenDataKey implements sops.KeySource. It returns sops.ErrNoKey for keys of
// other kinds.
func (s Source) OpenDataKey(ctx context.Context, k sops.MasterKey) ([]byte, error) {
	if k.Kind != sops.KindAWS {
		return nil, sops.ErrNoKey
	}
	sealed, err := base64.StdEncoding.DecodeString(k.Encrypted)
	if err != nil {
		return nil, fmt.Errorf("%w: the data key for %s", sops.ErrFormat, k.ID())
	}
	in := struct {
		KeyID             string `json:"KeyId"`
		CiphertextBlob    []byte
		EncryptionContext map[string]string `json:",omitempty"`
	}{k.Fields["arn"], sealed, k.Context}
	var out struct{ Plaintext []byte }
	if err := s.call(ctx, k.Fields["arn"], k.Fields["role"], "Decrypt", in, &out); err != nil {
		return nil, err
	}
	return out.Plaintext, nil
}

// SealDataKey implements sops.Recipient.
func (s Source) SealDataKey(ctx context.Context, dataKey []byte) (sops.MasterKey, error) {
	in := struct {
		KeyID             string `json:"KeyId"`
		Plaintext         []byte
		EncryptionContext map[string]string `json:",omitempty"`
	}{s.ARN, dataKey, s.Context}
	var out struct{ CiphertextBlob []byte }
	if err := s.call(ctx, s.ARN, s.Role, "Encrypt", in, &out); err != nil {
		return sops.MasterKey{}, err
	}
	k := sops.MasterKey{Kind: sops.KindAWS, Encrypted: base64.StdEncoding.EncodeToString(out.CiphertextBlob), Context: s.Context, Fields: map[string]string{
		"arn": s.ARN, "aws_profile": "", "created_at": time.Now().UTC().Format(time.RFC3339),
	}}
	if s.Role != "" {
		k.Fields["role"] = s.Role
	}
	return k, nil
}

// call sends one request; see
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
func (s Source) call(ctx context.Context, arn, role, verb string, in, out any) error {
	if s.Credentials == nil {
		return fmt.Errorf("%w: set Source.Credentials", ErrCredentials)
	}
	parts := arnForm.FindStringSubmatch(arn)
	if parts == nil {
		return fmt.Errorf("%w: %q is no ARN of a KMS key", sops.ErrKey, arn)
	}
	partition, region := parts[1], parts[2]
	endpoint := s.Endpoint
	if endpoint == "" {
		base, known := domain(partition)
		if !known {
			return fmt.Errorf("%w: set Source.Endpoint for the partition %s", sops.ErrKey, partition)
		}
		endpoint = "https://kms." + region + "." + base + "/"
	}
	c, err := s.Credentials(ctx, role)
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return fmt.Errorf("awskms: %w", err)
	}
	err = cloud.Post(ctx, s.Client, endpoint, "application/x-amz-json-1.1", in, out, func(r *http.Request, body []byte) error {
		r.Header.Set("X-Amz-Target", "TrentService."+verb)
		sign(r, body, c, region, "kms", time.Now())
		return nil
	})
	if err != nil {
		return fmt.Errorf("awskms: %s with %s: %w", verb, arn, err)
	}
	return nil
}
