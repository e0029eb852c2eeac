package main

import (
	"fmt"
	"sync"
)

type queue struct {
	mu     sync.Mutex
	c      *sync.Cond
	items  []int
	closed bool
}

func (q *queue) put(v int) { q.mu.Lock(); q.items = append(q.items, v); q.mu.Unlock(); q.c.Signal() }
func (q *queue) get() (int, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.c.Wait()
	}
	if len(q.items) == 0 {
		return 0, false
	}
	v := q.items[0]
	q.items = q.items[1:]
	return v, true
}
func main() {
	q := &queue{}
	q.c = sync.NewCond(&q.mu)
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for w := 0; w < 5; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				v, ok := q.get()
				if !ok {
					return
				}
				mu.Lock()
				total += v
				mu.Unlock()
			}
		}()
	}
	for i := 1; i <= 400; i++ {
		q.put(i)
	}
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.c.Broadcast()
	wg.Wait()
	fmt.Println(total)
	var once sync.Once
	for i := 0; i < 3; i++ {
		once.Do(func() { fmt.Println("once", i) })
	}
	var rw sync.RWMutex
	rw.RLock()
	rw.RLock()
	fmt.Println(rw.TryLock())
	rw.RUnlock()
	rw.RUnlock()
	fmt.Println(rw.TryLock())
}
