package ssa

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gitopskit/gitopskit/inventory"
)

// dependsOnAnnotation lists objects that have to be ready before the one that
// carries it is applied: group/kind/name or group/namespaces/ns/kind/name,
// separated by commas.
const dependsOnAnnotation = "config.kubernetes.io/depends-on"

// ranks say in which order objects are begun when none of them waits for
// another. What is not listed comes after namespaces and definitions and
// before what is in lastRanks.
var ranks = map[string]int{
	"Namespace":                      -10,
	"CustomResourceDefinition":       -9,
	"PriorityClass":                  -8,
	"StorageClass":                   -8,
	"IngressClass":                   -8,
	"RuntimeClass":                   -8,
	"ServiceAccount":                 -7,
	"ClusterRole":                    -6,
	"Role":                           -6,
	"ClusterRoleBinding":             -5,
	"RoleBinding":                    -5,
	"ResourceQuota":                  -4,
	"LimitRange":                     -4,
	"NetworkPolicy":                  -4,
	"Secret":                         -3,
	"ConfigMap":                      -3,
	"PersistentVolume":               -3,
	"PersistentVolumeClaim":          -2,
	"Service":                        -2,
	"APIService":                     8,
	"MutatingWebhookConfiguration":   10,
	"ValidatingWebhookConfiguration": 10,
}

const lastRank = 10

func compareRank(a, b inventory.Ref) int {
	ra, rb := ranks[a.Kind], ranks[b.Kind]
	if ra == 0 && strings.HasSuffix(a.Kind, "Class") {
		ra = -8
	}
	if rb == 0 && strings.HasSuffix(b.Kind, "Class") {
		rb = -8
	}
	return cmp.Or(cmp.Compare(ra, rb), a.Compare(b))
}

// connect finds out which object has to wait for which, and sorts the objects
// by rank. The error wraps ErrCycle and names the circle.
func connect(objects []*object) ([]*object, []*Error) {
	c := newConnector(objects)
	var errs []*Error
	for _, o := range objects {
		c.implied(o)
		if err := c.explicit(o); err != nil {
			errs = append(errs, &Error{Op: "prepare", Ref: o.ref, Origin: o.origin, Err: err})
		}
	}
	sorted := slices.Clone(objects)
	slices.SortStableFunc(sorted, func(a, b *object) int { return compareRank(a.ref, b.ref) })
	if circle := findCycle(sorted); circle != nil {
		errs = append(errs, &Error{Op: "prepare", Ref: circle[0].ref, Origin: circle[0].origin, Err: cycleError(circle)})
	}
	return sorted, errs
}

// connector has the indexes by which dependencies are found.
type connector struct {
	byRef    map[inventory.Ref]*object
	crds     map[string]*object   // group/kind → definition
	bindings map[string][]*object // ns/serviceaccount → bindings that name it
	apis     map[string]*object   // group/version → APIService
	webhooks []*object
	plain    []*object // everything but webhooks
}

func newConnector(objects []*object) *connector {
	c := &connector{
		byRef:    make(map[inventory.Ref]*object, len(objects)),
		crds:     map[string]*object{},
		bindings: map[string][]*object{},
		apis:     map[string]*object{},
	}
	for _, o := range objects {
		c.byRef[o.ref] = o
		switch o.ref.Kind {
		case "CustomResourceDefinition":
			c.crds[text(o.desired, "spec", "group")+"/"+text(o.desired, "spec", "names", "kind")] = o
		case "APIService":
			c.apis[text(o.desired, "spec", "group")+"/"+text(o.desired, "spec", "version")] = o
		case "RoleBinding", "ClusterRoleBinding":
			c.addBinding(o)
		}
		if ranks[o.ref.Kind] == lastRank {
			c.webhooks = append(c.webhooks, o)
		} else {
			c.plain = append(c.plain, o)
		}
	}
	return c
}

func (c *connector) addBinding(o *object) {
	for _, s := range list(o.desired, "subjects") {
		if text(s, "kind") == "ServiceAccount" {
			key := text(s, "namespace") + "/" + text(s, "name")
			c.bindings[key] = append(c.bindings[key], o)
		}
	}
}

func (c *connector) wait(o *object, on *object) {
	if on != nil && on != o && !slices.Contains(o.after, on) {
		o.after = append(o.after, on)
	}
}

func (c *connector) waitFor(o *object, group, kind, namespace, name string) {
	if name != "" {
		c.wait(o, c.byRef[inventory.Ref{Group: group, Kind: kind, Namespace: namespace, Name: name}])
	}
}

// implied adds what follows from the objects themselves.
func (c *connector) implied(o *object) {
	if o.ref.Namespace != "" {
		c.waitFor(o, "", "Namespace", "", o.ref.Namespace)
	}
	c.wait(o, c.crds[o.ref.Group+"/"+o.ref.Kind])
	if ranks[o.ref.Kind] == lastRank {
		o.after = append(o.after, c.plain...)
		return
	}
	if o.ref.Kind != "APIService" {
		c.wait(o, c.apis[o.ref.Group+"/"+o.version])
	}
	switch o.ref.Kind {
	case "RoleBinding", "ClusterRoleBinding":
		c.binding(o)
	case "PersistentVolumeClaim":
		c.waitFor(o, "storage.k8s.io", "StorageClass", "", text(o.desired, "spec", "storageClassName"))
	case "Ingress":
		c.waitFor(o, "networking.k8s.io", "IngressClass", "", text(o.desired, "spec", "ingressClassName"))
	case "APIService":
		c.waitFor(o, "", "Service", text(o.desired, "spec", "service", "namespace"), text(o.desired, "spec", "service", "name"))
	default:
		c.workload(o)
	}
}

func (c *connector) binding(o *object) {
	role := at(o.desired, "roleRef")
	ns := ""
	if text(role, "kind") == "Role" {
		ns = o.ref.Namespace
	}
	c.waitFor(o, "rbac.authorization.k8s.io", text(role, "kind"), ns, text(role, "name"))
	for _, s := range list(o.desired, "subjects") {
		if text(s, "kind") == "ServiceAccount" {
			c.waitFor(o, "", "ServiceAccount", text(s, "namespace"), text(s, "name"))
		}
	}
}

// podSpecs are the places where kinds keep the spec of the pods they make.
var podSpecs = map[string][]string{
	"Pod":         {"spec"},
	"Deployment":  {"spec", "template", "spec"},
	"StatefulSet": {"spec", "template", "spec"},
	"DaemonSet":   {"spec", "template", "spec"},
	"ReplicaSet":  {"spec", "template", "spec"},
	"Job":         {"spec", "template", "spec"},
	"CronJob":     {"spec", "jobTemplate", "spec", "template", "spec"},
}

// workload makes an object with pods wait for what its pods need to start.
func (c *connector) workload(o *object) {
	path, ok := podSpecs[o.ref.Kind]
	if !ok {
		return
	}
	pod, ns := at(o.desired, path...), o.ref.Namespace
	account := orElse(text(pod, "serviceAccountName"), "default")
	c.waitFor(o, "", "ServiceAccount", ns, account)
	for _, b := range c.bindings[ns+"/"+account] {
		c.wait(o, b)
	}
	c.waitFor(o, "scheduling.k8s.io", "PriorityClass", "", text(pod, "priorityClassName"))
	c.waitFor(o, "node.k8s.io", "RuntimeClass", "", text(pod, "runtimeClassName"))
	for _, s := range list(pod, "imagePullSecrets") {
		c.waitFor(o, "", "Secret", ns, text(s, "name"))
	}
	for _, v := range list(pod, "volumes") {
		c.waitFor(o, "", "ConfigMap", ns, text(v, "configMap", "name"))
		c.waitFor(o, "", "Secret", ns, text(v, "secret", "secretName"))
		c.waitFor(o, "", "PersistentVolumeClaim", ns, text(v, "persistentVolumeClaim", "claimName"))
		for _, s := range list(v, "projected", "sources") {
			c.waitFor(o, "", "ConfigMap", ns, text(s, "configMap", "name"))
			c.waitFor(o, "", "Secret", ns, text(s, "secret", "name"))
		}
	}
	for _, key := range []string{"initContainers", "containers"} {
		for _, container := range list(pod, key) {
			c.environment(o, container)
		}
	}
}

func (c *connector) environment(o *object, container any) {
	for _, e := range list(container, "envFrom") {
		c.waitFor(o, "", "ConfigMap", o.ref.Namespace, text(e, "configMapRef", "name"))
		c.waitFor(o, "", "Secret", o.ref.Namespace, text(e, "secretRef", "name"))
	}
	for _, e := range list(container, "env") {
		c.waitFor(o, "", "ConfigMap", o.ref.Namespace, text(e, "valueFrom", "configMapKeyRef", "name"))
		c.waitFor(o, "", "Secret", o.ref.Namespace, text(e, "valueFrom", "secretKeyRef", "name"))
	}
}

// explicit adds what the object's annotation asks for.
func (c *connector) explicit(o *object) error {
	value := text(o.desired, "metadata", "annotations", dependsOnAnnotation)
	if value == "" {
		return nil
	}
	for part := range strings.SplitSeq(value, ",") {
		ref, err := parseDependency(strings.TrimSpace(part))
		if err != nil {
			return err
		}
		if ref == o.ref {
			return fmt.Errorf("%w: %s depends on itself", ErrCycle, ref)
		}
		if on, ok := c.byRef[ref]; ok {
			c.wait(o, on)
		}
		o.ready = append(o.ready, ref)
	}
	return nil
}

func parseDependency(s string) (inventory.Ref, error) {
	parts := strings.Split(s, "/")
	switch {
	case len(parts) == 3 && parts[1] != "" && parts[2] != "":
		return inventory.Ref{Group: parts[0], Kind: parts[1], Name: parts[2]}, nil
	case len(parts) == 5 && parts[1] == "namespaces" && parts[2] != "" && parts[3] != "" && parts[4] != "":
		return inventory.Ref{Group: parts[0], Namespace: parts[2], Kind: parts[3], Name: parts[4]}, nil
	}
	return inventory.Ref{}, fmt.Errorf("%w: metadata.annotations[%s]: %q is neither group/Kind/name nor group/namespaces/namespace/Kind/name",
		ErrInvalid, dependsOnAnnotation, s)
}

// findCycle returns objects of which each waits for the next and the last for
// the first, or nil.
func findCycle(objects []*object) []*object {
	const visiting, done = 1, 2
	mark := make(map[*object]int, len(objects))
	var stack, circle []*object
	var visit func(o *object) bool
	visit = func(o *object) bool {
		switch mark[o] {
		case done:
			return false
		case visiting:
			circle = slices.Clone(stack[slices.Index(stack, o):])
			return true
		}
		mark[o] = visiting
		stack = append(stack, o)
		if slices.ContainsFunc(o.after, visit) {
			return true
		}
		stack = stack[:len(stack)-1]
		mark[o] = done
		return false
	}
	if slices.ContainsFunc(objects, visit) {
		return circle
	}
	return nil
}

func cycleError(circle []*object) error {
	var b strings.Builder
	for _, o := range circle {
		b.WriteString(o.ref.String())
		b.WriteString(" waits for ")
	}
	b.WriteString(circle[0].ref.String())
	return fmt.Errorf("%w: %s", ErrCycle, b.String())
}
