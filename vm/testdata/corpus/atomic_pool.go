package main

import (
	"fmt"
	"sync"
	"sync/atomic"
)

func main() {
	var n atomic.Int64
	var u uint32
	var wg sync.WaitGroup
	for g := 0; g < 8; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < 500; i++ {
				n.Add(int64(i))
				atomic.AddUint32(&u, 1)
			}
		}()
	}
	wg.Wait()
	fmt.Println(n.Load(), atomic.LoadUint32(&u), atomic.CompareAndSwapUint32(&u, 4000, 5), u)
	p := sync.Pool{New: func() any { return new([16]int) }}
	b := p.Get().(*[16]int)
	b[3] = 9
	p.Put(b)
	var m sync.Map
	for i := 0; i < 50; i++ {
		m.Store(i, fmt.Sprint(i))
	}
	v, ok := m.Load(17)
	m.Delete(18)
	_, ok2 := m.Load(18)
	fmt.Println(v, ok, ok2)
	c := 0
	m.Range(func(k, v any) bool { c++; return true })
	fmt.Println(c)
	var av atomic.Value
	av.Store([]int{1, 2})
	fmt.Println(av.Load())
	var ap atomic.Pointer[string]
	s := "x"
	ap.Store(&s)
	fmt.Println(*ap.Load())
}
