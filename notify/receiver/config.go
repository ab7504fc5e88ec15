package receiver

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What may go wrong, for errors.Is.
var (
	// ErrInvalid: a configuration lacks something or makes no sense.
	ErrInvalid = errors.New("invalid")
	// ErrUnauthorized: the signature or token is missing or wrong.
	ErrUnauthorized = errors.New("not authorised")
	// ErrMalformed: the request is not what the type sends.
	ErrMalformed = errors.New("malformed request")
)

// Error tells which operation failed on which receiver.
type Error struct {
	Op, Ref string
	Err     error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("receiver: %s %s: %v", e.Op, e.Ref, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Config is one receiver.
type Config struct {
	// Type is one of [Types].
	Type string
	// Name and Namespace name it; with Token they make its path.
	Name, Namespace string
	// Token is the secret; required.
	Token string
	// Events are those that are let through, as the sender names them; none
	// lets all. Pings are answered in any case.
	Events []string
	// Suspended answers 503.
	Suspended bool
	// Email and Audience are required by the type gcr: whom the Google ID
	// token must name, and for whom it must be made.
	Email, Audience string
	// Resources are what is reconciled.
	Resources []Resource
	// Filter, if set, must let an object through.
	Filter Filter
	// OnlyAffected leaves out objects that a push does not concern; see
	// [Push.Affects]. Requests that are no push concern all.
	OnlyAffected bool
	// Use tells what an object uses; nil takes [FluxUse].
	Use func(object map[string]any) (Use, bool)
}

// Resource names objects to reconcile.
type Resource struct {
	APIVersion, Kind, Namespace string
	// Name is exact, or "*" for all with MatchLabels, which are required then.
	Name        string
	MatchLabels map[string]string
}

// Filter decides about one object: req is the body as decoded JSON, res the
// object.
type Filter interface {
	Match(req, res any) (bool, error)
}

// FilterFunc is a function that is a Filter.
type FilterFunc func(req, res any) (bool, error)

// Match calls f.
func (f FilterFunc) Match(req, res any) (bool, error) { return f(req, res) }

// Path returns where a receiver listens: /hook/ and the SHA-256 of token, name
// and namespace in hex, as Flux has it.
func Path(token, name, namespace string) string {
	sum := sha256.Sum256([]byte(token + name + namespace))
	return "/hook/" + hex.EncodeToString(sum[:])
}

func (c Config) complete() (Config, error) {
	var missing []string
	for _, f := range [...]struct{ name, value string }{{"Name", c.Name}, {"Token", c.Token}} {
		if f.value == "" {
			missing = append(missing, f.name)
		}
	}
	if c.Type == "gcr" && (c.Email == "" || c.Audience == "") {
		missing = append(missing, "Email and Audience (type gcr)")
	}
	if len(missing) > 0 {
		return c, fmt.Errorf("%w: %s must be set", ErrInvalid, strings.Join(missing, ", "))
	}
	if _, ok := kinds()[c.Type]; !ok {
		return c, fmt.Errorf("%w: there is no type %q; there are %s", ErrInvalid, c.Type, strings.Join(Types(), ", "))
	}
	resources := make([]Resource, 0, len(c.Resources))
	for i, r := range c.Resources {
		if r.Kind == "" || r.Name == "" {
			return c, fmt.Errorf("%w: Resources[%d] lacks Kind or Name", ErrInvalid, i)
		}
		if r.Name == "*" && len(r.MatchLabels) == 0 {
			return c, fmt.Errorf("%w: Resources[%d] has the name \"*\" and must have MatchLabels", ErrInvalid, i)
		}
		if r.Namespace == "" {
			r.Namespace = c.Namespace
		}
		r.MatchLabels = maps.Clone(r.MatchLabels)
		resources = append(resources, r)
	}
	c.Resources, c.Events = resources, slices.Clone(c.Events)
	if c.Use == nil {
		c.Use = FluxUse
	}
	return c, nil
}
