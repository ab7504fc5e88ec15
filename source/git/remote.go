package git

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/gitopskit/gitopskit/source"
)

// remote speaks to one repository on one server with one credential.
type remote interface {
	// list asks for all references.
	list(ctx context.Context) (*listing, error)
	// fetch puts a pack with its index into the bare repository at dir.
	fetch(ctx context.Context, req fetchRequest, dir string) error
	// push sends a pack and updates references.
	push(ctx context.Context, req pushRequest) error
	// close ends idle connections.
	close()
}

// fetchRequest says which objects are wanted, and which are there.
type fetchRequest struct {
	wants []oid
	// haves are commits whose trees are complete in the mirror; their parents
	// may be missing.
	haves []oid
	// known are the objects of the mirror, which deltas may start from.
	known *objects
	// history asks for all ancestors too, instead of the wanted commits alone.
	history bool
	// maxBytes is the most that the pack may have.
	maxBytes int64
}

// goGit is the transport that needs no program beside this one.
type goGit struct {
	open      func(ctx context.Context, service string) (transport.Session, error)
	closeIdle func()
}

func (g *goGit) close() { g.closeIdle() }

func (g *goGit) session(ctx context.Context) (transport.UploadPackSession, error) {
	s, err := g.open(ctx, transport.UploadPackServiceName)
	if err != nil {
		return nil, err
	}
	return s.(transport.UploadPackSession), nil
}

func (g *goGit) list(ctx context.Context) (*listing, error) {
	s, err := g.session(ctx)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	adv, err := s.AdvertisedReferencesContext(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return &listing{refs: map[string]ref{}}, nil
	}
	if err != nil {
		return nil, badAnswer(ctx, err)
	}
	return listingOf(adv), nil
}

func listingOf(adv *packp.AdvRefs) *listing {
	l := &listing{refs: make(map[string]ref, len(adv.References)+1)}
	for name, h := range adv.References {
		r := ref{id: oid(h[:])}
		if p, ok := adv.Peeled[name]; ok {
			r.peeled = oid(p[:])
		}
		l.refs[name] = r
	}
	if adv.Head != nil {
		l.refs["HEAD"] = ref{id: oid(adv.Head[:])}
	}
	return l
}

func (g *goGit) fetch(ctx context.Context, req fetchRequest, dir string) error {
	s, err := g.session(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	adv, err := s.AdvertisedReferencesContext(ctx)
	if err != nil {
		return badAnswer(ctx, err)
	}
	pack, err := s.UploadPack(ctx, uploadRequest(req, adv.Capabilities))
	if err != nil {
		return badAnswer(ctx, err)
	}
	defer pack.Close()
	var r io.Reader = pack
	if adv.Capabilities.Supports(capability.Sideband64k) {
		r = sideband.NewDemuxer(sideband.Sideband64k, pack)
	} else if adv.Capabilities.Supports(capability.Sideband) {
		r = sideband.NewDemuxer(sideband.Sideband, pack)
	}
	return indexPack(ctx, dir, &boundedReader{ctx: ctx, r: r, left: req.maxBytes, limit: req.maxBytes}, req.known, len(req.wants[0]))
}

func uploadRequest(req fetchRequest, caps *capability.List) *packp.UploadPackRequest {
	up := packp.NewUploadPackRequestFromCapabilities(caps)
	up.Wants = hashes(req.wants)
	up.Haves = hashes(req.haves)
	if caps.Supports(capability.NoProgress) {
		_ = up.Capabilities.Set(capability.NoProgress)
	}
	if !caps.Supports(capability.Shallow) {
		return up
	}
	if !req.history || len(req.haves) > 0 {
		_ = up.Capabilities.Set(capability.Shallow)
		// The mirror keeps single commits: each of them is a border.
		up.Shallows = hashes(req.haves)
	}
	if !req.history {
		up.Depth = packp.DepthCommits(1)
	}
	if len(req.haves) > 0 {
		// Without it a server leaves nothing out of a pack of one commit. Every
		// server knows it; go-git takes it out of what they announce.
		_ = up.Capabilities.Set(capability.ThinPack)
	}
	return up
}

func hashes(ids []oid) []plumbing.Hash {
	out := make([]plumbing.Hash, 0, len(ids))
	for _, id := range ids {
		var h plumbing.Hash
		copy(h[:], id)
		out = append(out, h)
	}
	return out
}

// boundedReader ends with an error when the limit is exceeded or the context
// is done.
type boundedReader struct {
	ctx         context.Context //nolint:containedctx // lives as long as the call that made it
	r           io.Reader
	left, limit int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil {
		return 0, context.Cause(b.ctx)
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("%w: the pack has more than %d bytes; set MirrorOptions.MaxPackBytes", source.ErrTooLarge, b.limit)
	}
	return n, err
}

// errNotOurRef is a server that does not give a commit because no reference
// points to it.
var errNotOurRef = errors.New("the server gives tips of references only")
