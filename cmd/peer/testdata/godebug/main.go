package main

import (
	"fmt"
	"math/rand"
	"net/url"
	"os"
	"time"
)

func panicNil() (text string) {
	text = "not recovered"
	defer func() {
		r := recover()
		text = fmt.Sprintf("%T %v", r, r)
	}()
	panic(nil)
}

func timers() {
	t := time.NewTimer(time.Millisecond)
	time.Sleep(50 * time.Millisecond)
	fmt.Println("timer", len(t.C), cap(t.C), t.Stop())
	select {
	case <-t.C:
		fmt.Println("stale")
	default:
		fmt.Println("none")
	}
	t.Reset(time.Millisecond)
	time.Sleep(50 * time.Millisecond)
	fmt.Println(t.Reset(time.Hour), len(t.C))
	k := time.NewTicker(time.Millisecond)
	time.Sleep(50 * time.Millisecond)
	k.Stop()
	fmt.Println(len(k.C), cap(k.C))
}

func main() {
	fmt.Println(panicNil())
	timers()
	rand.Seed(1)
	fmt.Println("seeded", rand.Int63() == 5577006791947779410)
	_, err := url.Parse("http://a:b:c/")
	fmt.Println(err)
	os.Setenv("GODEBUG", "panicnil=1,randseednop=0")
	fmt.Println(panicNil())
	rand.Seed(1)
	fmt.Println("seeded", rand.Int63() == 5577006791947779410)
	os.Setenv("GODEBUG", "panicnil=0")
	fmt.Println(panicNil())
	os.Unsetenv("GODEBUG")
	fmt.Println(panicNil())
	defer fmt.Println("deferred")
	panic(nil)
}
