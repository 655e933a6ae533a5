package payload

import (
	"container/list"
	"sync"

	"oncegate/schemas/canon"
)

// cache keeps the key sets used last.
type cache struct {
	mu    sync.Mutex
	size  int
	items map[canon.ConversationID]*list.Element
	order *list.List // front: used last
}

type cacheItem struct {
	id  canon.ConversationID
	set *keySet
}

func newCache(size int) *cache {
	return &cache{size: size, items: make(map[canon.ConversationID]*list.Element), order: list.New()}
}

func (c *cache) get(id canon.ConversationID) *keySet {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[id]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(cacheItem).set
}

func (c *cache) put(id canon.ConversationID, s *keySet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[id]; ok {
		e.Value = cacheItem{id, s}
		c.order.MoveToFront(e)
		return
	}
	c.items[id] = c.order.PushFront(cacheItem{id, s})
	for len(c.items) > c.size {
		e := c.order.Back()
		delete(c.items, c.order.Remove(e).(cacheItem).id)
	}
}

func (c *cache) drop(id canon.ConversationID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.items[id]; ok {
		c.order.Remove(e)
		delete(c.items, id)
	}
}
