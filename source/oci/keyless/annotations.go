package keyless

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"

	"github.com/gitopskit/gitopskit/source/oci/internal/signatures"
)

// bundleVersion is the one whose rules are those of cosign's annotations: the
// log's promise without a proof of inclusion.
const bundleVersion = "application/vnd.dev.sigstore.bundle+json;version=0.1"

// logEntry is the content of the annotation dev.sigstore.cosign/bundle.
type logEntry struct {
	Promise []byte `json:"SignedEntryTimestamp"`
	Payload struct {
		Body           []byte `json:"body"`
		IntegratedTime int64  `json:"integratedTime"`
		LogIndex       int64  `json:"logIndex"`
		LogID          string `json:"logID"`
	} `json:"Payload"`
}

// fromAnnotations makes a Sigstore bundle of a signature in cosign's own format.
func fromAnnotations(s signatures.Signature) (*bundle.Bundle, error) {
	block, _ := pem.Decode([]byte(s.Annotations[signatures.AnnotationCert]))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("the signature has no certificate: it was made with a key")
	}
	entry, err := transparency(s.Annotations[signatures.AnnotationLog])
	if err != nil {
		return nil, err
	}
	stamps, err := timestamps(s.Annotations[signatures.AnnotationTimestamp])
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(s.Payload)
	return bundle.NewBundle(&protobundle.Bundle{
		MediaType: bundleVersion,
		VerificationMaterial: &protobundle.VerificationMaterial{
			Content: &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: &protocommon.X509CertificateChain{
				Certificates: []*protocommon.X509Certificate{{RawBytes: block.Bytes}},
			}},
			TlogEntries:               []*protorekor.TransparencyLogEntry{entry},
			TimestampVerificationData: stamps,
		},
		Content: &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
			MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: sum[:]},
			Signature:     s.Signature,
		}},
	})
}

func transparency(annotation string) (*protorekor.TransparencyLogEntry, error) {
	if annotation == "" {
		return nil, errors.New("the signature was not noted in a transparency log")
	}
	var e logEntry
	if err := json.Unmarshal([]byte(annotation), &e); err != nil {
		return nil, errors.New("the log's entry cannot be read")
	}
	var kind struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	if err := json.Unmarshal(e.Payload.Body, &kind); err != nil {
		return nil, errors.New("the log's entry cannot be read")
	}
	id, err := hex.DecodeString(e.Payload.LogID)
	if err != nil {
		return nil, errors.New("the log's name cannot be read")
	}
	return &protorekor.TransparencyLogEntry{
		LogIndex: e.Payload.LogIndex, LogId: &protocommon.LogId{KeyId: id}, IntegratedTime: e.Payload.IntegratedTime,
		KindVersion:       &protorekor.KindVersion{Kind: kind.Kind, Version: kind.Version},
		InclusionPromise:  &protorekor.InclusionPromise{SignedEntryTimestamp: e.Promise},
		CanonicalizedBody: e.Payload.Body,
	}, nil
}

func timestamps(annotation string) (*protobundle.TimestampVerificationData, error) {
	if annotation == "" {
		return nil, nil
	}
	var stamp struct {
		Stamp string `json:"SignedRFC3161Timestamp"`
	}
	if err := json.Unmarshal([]byte(annotation), &stamp); err != nil {
		return nil, errors.New("the timestamp cannot be read")
	}
	raw, err := base64.StdEncoding.DecodeString(stamp.Stamp)
	if err != nil {
		return nil, errors.New("the timestamp cannot be read")
	}
	return &protobundle.TimestampVerificationData{Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: raw}}}, nil
}
