package azure

// WithSecret returns the options with the credentials of a Kubernetes Secret
// that has the keys that Flux knows: tenantId, clientId, clientSecret,
// clientCertificate and authorityHost, accountKey, or sasKey. With clientId alone
// the machine's managed identity of that name is asked. A clientCertificate must
// not be encrypted.
func (o Options) WithSecret(data map[string][]byte) Options {
	text := func(key string) string { return string(data[key]) }
	if text("tenantId") != "" {
		o.Application = Application{
			TenantID: text("tenantId"), ClientID: text("clientId"), ClientSecret: text("clientSecret"),
			ClientCertificate: data["clientCertificate"], AuthorityHost: text("authorityHost"),
		}
	} else if id := text("clientId"); id != "" {
		o.Token, o.Identity = ManagedIdentity{ClientID: id}.Token, id
	}
	o.AccountKey, o.SASKey = text("accountKey"), text("sasKey")
	return o
}
