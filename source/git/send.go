package git

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // the format of Git
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"compress/zlib"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/gitopskit/gitopskit/source"
)

// pushRequest updates references to a commit that a pack brings.
type pushRequest struct {
	updates []refUpdate
	options map[string]string
	pack    []byte
	// base is the commit's parent, which is complete in the repository at
	// mirror.
	base   oid
	mirror string
}

type refUpdate struct {
	name     string
	from, to oid // from is "" for a new reference
}

// send pushes the commit to all targets.
func (p *push) send(ctx context.Context, l *listing, base oid, e *edited) error {
	req := pushRequest{options: p.opts.Options, pack: encodePack(e.objects, len(base)), base: base, mirror: p.source.mirror.dir}
	for _, t := range p.targets {
		req.updates = append(req.updates, refUpdate{name: t, from: l.refs[t].id, to: e.commit})
		// Only the branch that was built on may be moved without force.
		if l.refs[t].id != "" && t != p.branch && !p.force[t] && !strings.HasPrefix(t, "refs/for/") {
			return fmt.Errorf("%w: %s exists; write the refspec with a leading + to overwrite it", ErrRejected, t)
		}
	}
	return p.source.mirror.remote.push(ctx, req)
}

// push implements remote.
func (g *goGit) push(ctx context.Context, req pushRequest) error {
	s, err := g.open(ctx, transport.ReceivePackServiceName)
	if err != nil {
		return err
	}
	rp := s.(transport.ReceivePackSession)
	defer rp.Close()
	adv, err := rp.AdvertisedReferencesContext(ctx)
	if err != nil {
		return err
	}
	up := packp.NewReferenceUpdateRequestFromCapabilities(adv.Capabilities)
	told := &stderrText{}
	up.Progress = told
	for _, c := range []capability.Capability{capability.Sideband64k, capability.Atomic} {
		if adv.Capabilities.Supports(c) {
			_ = up.Capabilities.Set(c)
		}
	}
	if err := addPushOptions(up, adv.Capabilities, req.options); err != nil {
		return err
	}
	for _, u := range req.updates {
		c := &packp.Command{Name: plumbing.ReferenceName(u.name), New: hashes([]oid{u.to})[0]}
		if u.from != "" {
			c.Old = hashes([]oid{u.from})[0]
		}
		up.Commands = append(up.Commands, c)
	}
	up.Packfile = io.NopCloser(bytes.NewReader(req.pack))
	report, err := rp.ReceivePack(ctx, up)
	if err != nil && report == nil {
		return err // the connection failed, not the push
	}
	return refusal(report, err, told.String())
}

func addPushOptions(up *packp.ReferenceUpdateRequest, caps *capability.List, options map[string]string) error {
	if len(options) == 0 {
		return nil
	}
	if !caps.Supports(capability.PushOptions) {
		return fmt.Errorf("%w: the server takes no push options (receive.advertisePushOptions)", ErrRejected)
	}
	_ = up.Capabilities.Set(capability.PushOptions)
	keys := make([]string, 0, len(options))
	for k := range options {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		if strings.ContainsAny(k+options[k], "\n\x00") {
			return invalidf("push option %q has a line break", k)
		}
		up.Options = append(up.Options, &packp.Option{Key: k, Value: options[k]})
	}
	return nil
}

// refusal turns the server's report into an error.
func refusal(report *packp.ReportStatus, err error, told string) error {
	if err == nil {
		return nil
	}
	var parts []string
	if report.UnpackStatus != "ok" {
		parts = append(parts, "unpack: "+report.UnpackStatus)
	}
	for _, c := range report.CommandStatuses {
		if c.Status != "ok" {
			parts = append(parts, fmt.Sprintf("%s: %s", c.ReferenceName, c.Status))
		}
	}
	if told != "" {
		parts = append(parts, "the server says: "+told)
	}
	return fmt.Errorf("%w: %s", ErrRejected, strings.Join(parts, "; "))
}

// encodePack writes objects with ids of some length as a pack without deltas
// (gitformat-pack(5)).
func encodePack(list []newObject, idSize int) []byte {
	seen := map[oid]bool{}
	var body bytes.Buffer
	count := uint32(0)
	for _, o := range list {
		if seen[o.id] {
			continue
		}
		seen[o.id] = true
		count++
		_, _ = body.Write(packHead(o.kind, len(o.data)))
		z := zlib.NewWriter(&body)
		_, _ = z.Write(o.data)
		_ = z.Close()
	}
	out := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), count)
	out = append(out, body.Bytes()...)
	if idSize == sha256.Size {
		sum := sha256.Sum256(out)
		return append(out, sum[:]...)
	}
	sum := sha1.Sum(out) //nolint:gosec // the format of Git
	return append(out, sum[:]...)
}

func packHead(kind, size int) []byte {
	b := byte(kind<<4 | size&15)
	size >>= 4
	var out []byte
	for size > 0 {
		out = append(out, b|0x80)
		b = byte(size & 0x7f)
		size >>= 7
	}
	return append(out, b)
}

// adopt keeps a commit that was pushed, if its base is there.
func (m *mirror) adopt(ctx context.Context, base oid, e *edited) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	o, err := m.snapshot()
	if err != nil || !m.isComplete(o, want{commit: base}) {
		return errors.Join(err, source.ErrNotFound)
	}
	m.sweep()
	dir, err := os.MkdirTemp(m.dir, incoming)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := indexPack(ctx, dir, bytes.NewReader(encodePack(e.objects, len(base))), o, len(base)); err != nil {
		return err
	}
	if err := install(dir, m.dir); err != nil {
		return err
	}
	return m.complete(e.commit)
}
