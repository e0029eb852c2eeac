package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

type key string

func main() {
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key("k"), 42))
	done := make(chan error)
	go func() { <-ctx.Done(); done <- ctx.Err() }()
	fmt.Println(ctx.Value(key("k")), ctx.Err())
	cancel()
	fmt.Println(<-done)
	c2, cancel2 := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel2()
	<-c2.Done()
	fmt.Println(c2.Err(), errors.Is(c2.Err(), context.DeadlineExceeded))
	c3, cancel3 := context.WithCancelCause(context.Background())
	cancel3(errors.New("because"))
	fmt.Println(c3.Err(), context.Cause(c3))
	fmt.Println(c3)
}
