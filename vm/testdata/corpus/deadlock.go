package main

import "fmt"

func main() {
	c := make(chan int)
	fmt.Println("before")
	go func() { c <- 1 }()
	fmt.Println(<-c)
	<-c
}
