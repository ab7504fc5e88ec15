// Package notify measures the sending of events against the way in which
// controllers usually do it: for each event and destination a goroutine, the
// expressions compiled anew, and an HTTP client of its own.
//
// The servers run in a process of their own, over TLS as the vendors' do. The
// usual way is held to 64 posts at once, since it fails for want of file
// descriptors otherwise.
package notify
