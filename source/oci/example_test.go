package oci_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/gitopskit/gitopskit/source/bucket/azure"
	"github.com/gitopskit/gitopskit/source/bucket/gcs"
	"github.com/gitopskit/gitopskit/source/oci"
)

// answering stands for a service of a cloud.
func answering(answer string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
}

// Google's registries take an access token for a password. The host is matched
// as a whole, so that no other gets the token.
func ExampleCredentials_google() {
	metadata := answering(`{"access_token":"token-of-the-machine","expires_in":3600}`)
	defer metadata.Close()
	token := gcs.MetadataToken(metadata.URL) // "" on Google's machines
	var google oci.Credentials = func(ctx context.Context, repository string) (string, string, error) {
		host, _, _ := strings.Cut(repository, "/")
		if host != "gcr.io" && !strings.HasSuffix(host, ".gcr.io") && !strings.HasSuffix(host, "-docker.pkg.dev") {
			return "", "", nil
		}
		text, _, err := token(ctx)
		return "oauth2accesstoken", text, err
	}
	for _, repository := range []string{"europe-docker.pkg.dev/project/app", "ghcr.io/org/app"} {
		user, password, err := google(context.Background(), repository)
		fmt.Printf("%s: %q %q %v\n", repository, user, password, err)
	}
	client, err := oci.NewClient(oci.ClientOptions{Credentials: google})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	// Output:
	// europe-docker.pkg.dev/project/app: "oauth2accesstoken" "token-of-the-machine" <nil>
	// ghcr.io/org/app: "" "" <nil>
}

// Azure's registries trade a token of Entra for one of their own.
func ExampleCredentials_azure() {
	metadata := answering(`{"access_token":"token-of-the-machine","expires_in":"3600"}`)
	defer metadata.Close()
	registry := answering(`{"refresh_token":"token-of-the-registry"}`)
	defer registry.Close()
	identity := azure.ManagedIdentity{Endpoint: metadata.URL, Scope: "https://management.azure.com/.default"} // no Endpoint on Azure's machines
	var login oci.Credentials = func(ctx context.Context, repository string) (string, string, error) {
		host, _, _ := strings.Cut(repository, "/")
		if !strings.HasSuffix(host, ".azurecr.io") {
			return "", "", nil
		}
		token, _, err := identity.Token(ctx)
		if err != nil {
			return "", "", err
		}
		exchange := registry.URL + "/oauth2/exchange" // in earnest: "https://" + host + "/oauth2/exchange"
		form := url.Values{"grant_type": {"access_token"}, "service": {host}, "access_token": {token}}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, exchange, strings.NewReader(form.Encode()))
		if err != nil {
			return "", "", err
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Close = true
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return "", "", err
		}
		defer res.Body.Close()
		var answer struct {
			Token string `json:"refresh_token"`
		}
		err = json.NewDecoder(res.Body).Decode(&answer)
		return "00000000-0000-0000-0000-000000000000", answer.Token, err
	}
	user, password, err := login(context.Background(), "ours.azurecr.io/app")
	fmt.Println(user, password, err)
	client, err := oci.NewClient(oci.ClientOptions{Credentials: login})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	// Output:
	// 00000000-0000-0000-0000-000000000000 token-of-the-registry <nil>
}
