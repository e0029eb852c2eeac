// Channels of timers show no buffer, unless GODEBUG says that they are those of before Go 1.23.
package main

import (
	"fmt"
	"os"
	"reflect"
	"time"
)

func try() {
	t := time.NewTimer(time.Microsecond)
	a := time.After(time.Microsecond)
	k := time.NewTicker(time.Microsecond)
	time.Sleep(100 * time.Millisecond)
	k.Stop()
	v := reflect.ValueOf(t.C)
	fmt.Println(len(t.C), cap(t.C), v.Len(), v.Cap(), len(a), cap(a), len(k.C), cap(k.C))
	fmt.Println(t.Stop(), len(t.C))
	select {
	case <-t.C:
		fmt.Println("stale")
	default:
		fmt.Println("nothing")
	}
	<-a
}

func main() {
	try()
	os.Setenv("GODEBUG", "asynctimerchan=1")
	try()
}
