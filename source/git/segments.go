package git

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"sort"
	"sync/atomic"
	"time"

	"github.com/gitopskit/gitopskit/source/archive"
)

// segmentCache keeps compressed parts of archives as files that end with a
// checksum. It is bounded: the parts that were not used for longest go first.
type segmentCache struct {
	dir     string
	max     int64
	written atomic.Int64 // bytes since the last sweep
}

// segments returns the mirror's cache, or nil if none is kept.
func (m *mirror) segments() archive.Cache {
	if m.opts.MaxArchiveCache < 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cache == nil {
		m.cache = &segmentCache{dir: filepath.Join(m.dir, "segments"), max: m.opts.MaxArchiveCache}
	}
	return m.cache
}

func (c *segmentCache) name(key string) string {
	return filepath.Join(c.dir, key[:2], key[2:])
}

// Load implements archive.Cache.
func (c *segmentCache) Load(key string) ([]byte, bool) {
	name := c.name(key)
	data, err := os.ReadFile(name) //nolint:gosec // below the mirror's folder
	if err != nil || len(data) < 4 {
		return nil, false
	}
	body, sum := data[:len(data)-4], binary.BigEndian.Uint32(data[len(data)-4:])
	if checksum(body) != sum {
		_ = os.Remove(name)
		return nil, false
	}
	if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > time.Hour {
		now := time.Now()
		_ = os.Chtimes(name, now, now)
	}
	return body, true
}

// Store implements archive.Cache. A part that cannot be kept is made again.
func (c *segmentCache) Store(key string, segment []byte) {
	name := c.name(key)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return
	}
	var buf bytes.Buffer
	buf.Grow(len(segment) + 4)
	_, _ = buf.Write(segment)
	_, _ = buf.Write(binary.BigEndian.AppendUint32(nil, checksum(segment)))
	if writeFile(name, buf.Bytes()) != nil {
		return
	}
	if c.written.Add(int64(buf.Len())) > c.max/8 {
		c.written.Store(0)
		c.sweep()
	}
}

func checksum(b []byte) uint32 {
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
}

// sweep removes the parts used longest ago until three quarters of the bound
// are left.
func (c *segmentCache) sweep() {
	type part struct {
		name string
		size int64
		used time.Time
	}
	var parts []part
	total := int64(0)
	names, _ := filepath.Glob(filepath.Join(c.dir, "*", "*"))
	for _, n := range names {
		if info, err := os.Stat(n); err == nil {
			parts = append(parts, part{n, info.Size(), info.ModTime()})
			total += info.Size()
		}
	}
	if total <= c.max {
		return
	}
	sort.Slice(parts, func(i, j int) bool { return parts[i].used.Before(parts[j].used) })
	for _, p := range parts {
		if total <= c.max/4*3 {
			return
		}
		_ = os.Remove(p.name)
		total -= p.size
	}
}
