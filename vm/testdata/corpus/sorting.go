package main

import (
	"container/heap"
	"container/list"
	"fmt"
	"slices"
	"sort"
)

type byLen []string

func (b byLen) Len() int           { return len(b) }
func (b byLen) Less(i, j int) bool { return len(b[i]) < len(b[j]) }
func (b byLen) Swap(i, j int)      { b[i], b[j] = b[j], b[i] }

type ih []int

func (h ih) Len() int           { return len(h) }
func (h ih) Less(i, j int) bool { return h[i] < h[j] }
func (h ih) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ih) Push(x any)        { *h = append(*h, x.(int)) }
func (h *ih) Pop() any          { o := *h; x := o[len(o)-1]; *h = o[:len(o)-1]; return x }
func main() {
	x := make([]int, 500)
	s := uint32(1)
	for i := range x {
		s = s*1664525 + 1013904223
		x[i] = int(s >> 20)
	}
	y := slices.Clone(x)
	sort.Ints(x)
	slices.SortFunc(y, func(a, b int) int { return b - a })
	fmt.Println(x[:8], y[:8], sort.SearchInts(x, 2000), sort.IsSorted(sort.IntSlice(x)))
	w := byLen{"ccc", "a", "bb", "dddd", "ee"}
	sort.Stable(w)
	fmt.Println(w)
	h := &ih{5, 2, 8}
	heap.Init(h)
	heap.Push(h, 3)
	for h.Len() > 0 {
		fmt.Print(heap.Pop(h), " ")
	}
	l := list.New()
	for i := 0; i < 5; i++ {
		l.PushFront(i)
	}
	for e := l.Front(); e != nil; e = e.Next() {
		fmt.Print(e.Value, " ")
	}
	p := []struct {
		n string
		a int
	}{{"x", 3}, {"y", 1}, {"z", 2}}
	sort.Slice(p, func(i, j int) bool { return p[i].a < p[j].a })
	fmt.Println(p)
	i, ok := slices.BinarySearch(x, x[77])
	fmt.Println(x[i] == x[77], ok, slices.Compact([]int{1, 1, 2, 2, 1}))
}
