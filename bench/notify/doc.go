// Package notify measures the sending of events against the way in which
// controllers usually do it: for each event and destination a goroutine, the
// expressions compiled anew, and a retrying HTTP client of its own, whose
// connection serves one post.
//
// The servers run in a process of their own, over TLS as the vendors' do. Over plain
// HTTP on one machine a new connection costs little, so that the case
// fanout-plain-http shows what is left without the handshakes. The usual way is
// held to 64 posts at once and closes its connections, since it fails for want of
// file descriptors and ports otherwise.
package notify
