package s3

// WithSecret returns the options with the credentials of a Kubernetes Secret
// that has the keys that Flux knows: accesskey and secretkey.
func (o Options) WithSecret(data map[string][]byte) Options {
	o.AccessKey, o.SecretKey = string(data["accesskey"]), string(data["secretkey"])
	return o
}
