package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/gitopskit/gitopskit/notify"
	"github.com/gitopskit/gitopskit/notify/provider"
)

type reference struct {
	Name string `json:"name"`
}

// manifest is a Provider or an Alert, in any of Flux's versions.
type manifest struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
		UID       string `json:"uid"`
	} `json:"metadata"`
	Spec struct {
		// of a Provider
		Type      string     `json:"type"`
		Address   string     `json:"address"`
		Channel   string     `json:"channel"`
		Username  string     `json:"username"`
		Timeout   string     `json:"timeout"`
		SecretRef *reference `json:"secretRef"`
		// of an Alert
		ProviderRef   reference         `json:"providerRef"`
		EventSeverity notify.Severity   `json:"eventSeverity"`
		EventSources  []source          `json:"eventSources"`
		EventMetadata map[string]string `json:"eventMetadata"`
		InclusionList []string          `json:"inclusionList"`
		ExclusionList []string          `json:"exclusionList"`
		Summary       string            `json:"summary"`
		Suspend       bool              `json:"suspend"`
	} `json:"spec"`
}

type source struct {
	Kind        string            `json:"kind"`
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	MatchLabels map[string]string `json:"matchLabels"`
}

// load makes destinations of a file: one for each Provider that an Alert names.
func load(file, secrets string, pool *provider.Pool, out io.Writer) ([]notify.Destination, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var providers []notify.Destination
	rules := map[string][]*notify.Matcher{}
	docs := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		var m manifest
		if err == nil {
			err = yaml.Unmarshal(doc, &m)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		switch m.Kind {
		case "Provider":
			d, err := m.destination(secrets, pool, out)
			if err != nil {
				return nil, fmt.Errorf("%s: Provider %s: %w", file, m.Metadata.Name, err)
			}
			providers = append(providers, d)
		case "Alert":
			rule, err := m.rule()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			rules[m.Spec.ProviderRef.Name] = append(rules[m.Spec.ProviderRef.Name], rule)
		}
	}
	var used []notify.Destination
	for _, d := range providers {
		if d.Rules = rules[d.Name]; len(d.Rules) > 0 {
			used = append(used, d)
			delete(rules, d.Name)
		}
	}
	for name := range rules {
		return nil, fmt.Errorf("%s: an Alert names the Provider %q, which is not there", file, name)
	}
	return used, nil
}

func (m manifest) rule() (*notify.Matcher, error) {
	r := notify.Rule{
		Name: m.Metadata.Name, Namespace: m.Metadata.Namespace, Suspend: m.Spec.Suspend, Severity: m.Spec.EventSeverity,
		Inclusion: m.Spec.InclusionList, Exclusion: m.Spec.ExclusionList, Metadata: m.Spec.EventMetadata, Summary: m.Spec.Summary,
	}
	for _, s := range m.Spec.EventSources {
		r.Sources = append(r.Sources, notify.Source{Kind: s.Kind, Name: s.Name, Namespace: s.Namespace, MatchLabels: s.MatchLabels})
	}
	return notify.Compile(r)
}

func (m manifest) destination(secrets string, pool *provider.Pool, out io.Writer) (notify.Destination, error) {
	d := notify.Destination{Name: m.Metadata.Name}
	if m.Spec.Timeout != "" {
		var err error
		if d.Timeout, err = time.ParseDuration(m.Spec.Timeout); err != nil {
			return d, err
		}
	}
	if m.Spec.Type == "terminal" {
		d.Sender = terminal(out)
		return d, nil
	}
	c := provider.Config{
		Type: m.Spec.Type, Address: m.Spec.Address, Channel: m.Spec.Channel, Username: m.Spec.Username, UID: m.Metadata.UID, HTTP: pool,
	}
	if m.Spec.SecretRef != nil {
		if err := readSecret(filepath.Join(secrets, m.Spec.SecretRef.Name), &c); err != nil {
			return d, err
		}
		d.Secrets = []string{c.Address, c.Token, c.Password}
	}
	var err error
	d.Sender, err = provider.New(c)
	return d, err
}

// readSecret fills in what a secret of Flux's Providers may hold; its address
// wins.
func readSecret(dir string, c *provider.Config) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("its secret: %w: set -secrets to a folder that has %s/KEY", err, filepath.Base(dir))
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		value := strings.TrimSpace(string(data))
		switch e.Name() {
		case "address":
			c.Address = value
		case "token":
			c.Token = value
		case "username":
			c.Username = value
		case "password":
			c.Password = value
		case "headers":
			if err := yaml.Unmarshal(data, &c.Headers); err != nil {
				return fmt.Errorf("headers: %w", err)
			}
		case "ca.crt", "caFile":
			c.TLS.CA = data
		case "tls.crt", "certFile":
			c.TLS.Cert = data
		case "tls.key", "keyFile":
			c.TLS.Key = data
		}
	}
	return nil
}
