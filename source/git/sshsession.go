package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"golang.org/x/crypto/ssh"

	"github.com/gitopskit/gitopskit/internal/httpclient"
	"github.com/gitopskit/gitopskit/source"
)

// sshSession is one run of git-upload-pack or git-receive-pack on a server. It
// ends when the context ends that it was started with.
type sshSession struct {
	client  *ssh.Client
	session *ssh.Session
	stop    func() bool
	in      io.WriteCloser
	out     io.Reader
	errText stderrText
	receive bool
	adv     *packp.AdvRefs
	asked   bool // a request was sent
}

var (
	_ transport.UploadPackSession  = (*sshSession)(nil)
	_ transport.ReceivePackSession = (*sshSession)(nil)
)

func (s *sshSession) run(command string) (err error) {
	if s.session, err = s.client.NewSession(); err != nil {
		return err
	}
	if s.in, err = s.session.StdinPipe(); err != nil {
		return err
	}
	if s.out, err = s.session.StdoutPipe(); err != nil {
		return err
	}
	s.session.Stderr = &s.errText
	return s.session.Start(command)
}

// AdvertisedReferences implements transport.Session.
func (s *sshSession) AdvertisedReferences() (*packp.AdvRefs, error) {
	return s.AdvertisedReferencesContext(context.Background())
}

// AdvertisedReferencesContext implements transport.Session.
func (s *sshSession) AdvertisedReferencesContext(ctx context.Context) (*packp.AdvRefs, error) {
	if s.adv != nil {
		return s.adv, nil
	}
	adv := packp.NewAdvRefs()
	err := adv.Decode(httpclient.LimitReader(s.out, maxListing))
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, packp.ErrEmptyAdvRefs):
		err = nil
	case errors.Is(err, packp.ErrEmptyInput):
		return nil, s.noAnswer()
	}
	if err != nil {
		if text := err.Error(); strings.Contains(text, "not found") || strings.Contains(text, "not exist") {
			return nil, fmt.Errorf("%w: %w", source.ErrNotFound, err)
		}
		return nil, err
	}
	transport.FilterUnsupportedCapabilities(adv.Capabilities)
	if !s.receive && adv.IsEmpty() {
		return nil, transport.ErrEmptyRemoteRepository
	}
	s.adv = adv
	return adv, nil
}

// noAnswer explains why the server said nothing, by its error output.
func (s *sshSession) noAnswer() error {
	_ = s.in.Close()
	_ = s.session.Wait() // the error output is complete after that
	text := s.errText.String()
	low := strings.ToLower(text)
	for _, sign := range []string{"not found", "does not exist", "not appear to be a git repository", "no such", "could not be found"} {
		if strings.Contains(low, sign) {
			return fmt.Errorf("%w: the server says: %s", source.ErrNotFound, text)
		}
	}
	for _, sign := range []string{"denied", "not allowed", "unauthorized", "no access"} {
		if strings.Contains(low, sign) {
			return fmt.Errorf("%w: the server says: %s", source.ErrAuth, text)
		}
	}
	if text == "" {
		text = "nothing"
	}
	return fmt.Errorf("%w: the server ran no Git; it said: %s", source.ErrUnreachable, text)
}

// UploadPack implements transport.UploadPackSession.
func (s *sshSession) UploadPack(ctx context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	if req.IsEmpty() {
		return nil, transport.ErrEmptyUploadPackRequest
	}
	if err := req.Validate(); err != nil {
		return nil, err
	}
	s.asked = true
	if err := req.UploadRequest.Encode(s.in); err != nil {
		return nil, s.broken(ctx, err)
	}
	if err := req.UploadHaves.Encode(s.in, false); err != nil {
		return nil, s.broken(ctx, err)
	}
	if err := pktline.NewEncoder(s.in).EncodeString("done\n"); err != nil {
		return nil, s.broken(ctx, err)
	}
	if err := s.in.Close(); err != nil {
		return nil, s.broken(ctx, err)
	}
	res := packp.NewUploadPackResponse(req)
	if err := res.Decode(io.NopCloser(sshOutput{s})); err != nil {
		return nil, s.broken(ctx, err)
	}
	return res, nil
}

// ReceivePack implements transport.ReceivePackSession.
func (s *sshSession) ReceivePack(ctx context.Context, req *packp.ReferenceUpdateRequest) (*packp.ReportStatus, error) {
	s.asked = true
	if err := req.Encode(s.in); err != nil {
		return nil, s.broken(ctx, err)
	}
	if err := s.in.Close(); err != nil {
		return nil, s.broken(ctx, err)
	}
	r := s.out
	if req.Capabilities.Supports(capability.Sideband64k) {
		d := sideband.NewDemuxer(sideband.Sideband64k, s.out)
		d.Progress = req.Progress
		r = d
	}
	report := packp.NewReportStatus()
	if err := report.Decode(r); err != nil {
		return nil, s.broken(ctx, err)
	}
	return report, report.Error()
}

// broken adds what the server wrote to its error output.
func (s *sshSession) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		if early := s.endedEarly(); early != nil {
			return early
		}
	}
	if text := s.errText.String(); text != "" && !errors.Is(err, source.ErrUnreachable) {
		return fmt.Errorf("%w; the server says: %s", err, text)
	}
	return err
}

// endedEarly explains the end of the output of a program that failed. What the
// program wrote to its error output and how it ended come after that, so they
// are waited for: as long as the context lasts, which ends the connection.
func (s *sshSession) endedEarly() error {
	_ = s.in.Close()
	end := s.session.Wait()
	if end == nil {
		return nil
	}
	text := s.errText.String()
	if text == "" {
		text = "nothing"
	}
	return fmt.Errorf("%w: the server's Git ended early: %w; it said: %s", source.ErrUnreachable, end, text)
}

// sshOutput is the output of the program. Its end is an error if the program
// failed.
type sshOutput struct{ s *sshSession }

func (o sshOutput) Read(p []byte) (int, error) {
	n, err := o.s.out.Read(p)
	if errors.Is(err, io.EOF) {
		if early := o.s.endedEarly(); early != nil {
			err = early
		}
	}
	return n, err
}

// Close implements transport.Session.
func (s *sshSession) Close() error {
	if s.in != nil && !s.asked {
		_, _ = s.in.Write(pktline.FlushPkt) // a polite end without a request
		_ = s.in.Close()
	}
	if s.session != nil {
		_ = s.session.Close()
	}
	err := s.client.Close()
	if !s.stop() || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
