package git

import (
	"container/list"
	"sync"
)

// byteCache keeps the objects that deltas start from, the latest used ones up
// to a number of bytes. Many goroutines may use it; nil keeps nothing.
type byteCache struct {
	mu    sync.Mutex
	max   int
	used  int
	order list.List // of *cachedObject, the latest used in front
	index map[packed]*list.Element
}

type cachedObject struct {
	key  packed
	kind int
	data []byte
}

const baseCacheSize = 32 << 20

func newByteCache(maxBytes int) *byteCache {
	return &byteCache{max: maxBytes, index: map[packed]*list.Element{}}
}

func (c *byteCache) get(key packed) (kind int, data []byte, ok bool) {
	if c == nil {
		return 0, nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.index[key]
	if !ok {
		return 0, nil, false
	}
	c.order.MoveToFront(el)
	o := el.Value.(*cachedObject)
	return o.kind, o.data, true
}

func (c *byteCache) put(key packed, kind int, data []byte) {
	if c == nil || len(data) > c.max/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.index[key]; ok {
		return
	}
	c.index[key] = c.order.PushFront(&cachedObject{key, kind, data})
	c.used += len(data)
	for c.used > c.max {
		el := c.order.Back()
		o := c.order.Remove(el).(*cachedObject)
		delete(c.index, o.key)
		c.used -= len(o.data)
	}
}
