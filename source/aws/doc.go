// Package aws logs in to Amazon's cloud for packages s3 and oci: with a role, the
// identity of a pod or machine, or whatever else the AWS SDK finds. It is a
// module of its own, since that SDK is large.
//
//	identity, err := aws.New(ctx, aws.Options{Region: "eu-west-1"})
//	if err != nil {
//		return err
//	}
//	provider, err := s3.New(s3.Options{
//		Endpoint: "s3.eu-west-1.amazonaws.com", Region: "eu-west-1", Bucket: "apps",
//		Credentials: identity.Keys, Identity: identity.Name(),
//	})
//	if err != nil {
//		return err
//	}
//	defer provider.Close()
//	client, err := oci.NewClient(oci.ClientOptions{Credentials: identity.Registry, Identity: identity.Name()})
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//
// # What it guarantees
//
// A password for a registry is asked for and given for hosts of Amazon's Elastic
// Container Registry alone, whose names are matched as a whole; it is kept until
// shortly before it expires. Secrets are in no error.
//
// # What it does not do
//
// Public registries, public.ecr.aws among them, are asked anonymously.
package aws
