package gcs

// WithSecret returns the options with the credentials of a Kubernetes Secret
// that has the key that Flux knows: serviceaccount.
func (o Options) WithSecret(data map[string][]byte) Options {
	o.ServiceAccount = data["serviceaccount"]
	return o
}
