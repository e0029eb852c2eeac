package mailbox

import (
	"slices"
	"testing"
)

// What happens under one key while nobody reads is read once, where the key was first put in.
func TestWaitingCostsOneOfEachKey(t *testing.T) {
	b := New[string](func(held, late []int) []int { return append(held, late...) })
	b.Put("a", []int{1})
	b.Put("b", []int{2})
	for i := range 1000 {
		b.Put("a", []int{i})
	}
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		b.Run(stop, func(e []int) []int { return e[:min(len(e), 3)] })
		close(ended)
	}()
	if e := <-b.Out(); !slices.Equal(e, []int{1, 0, 1}) {
		t.Errorf("first %v", e)
	}
	if e := <-b.Out(); !slices.Equal(e, []int{2}) {
		t.Errorf("then %v", e)
	}
	b.Put("a", []int{3})
	if e := <-b.Out(); !slices.Equal(e, []int{3}) {
		t.Errorf("after all was read %v", e)
	}
	close(stop)
	<-ended
	if _, open := <-b.Out(); open {
		t.Error("open after the end")
	}
}
