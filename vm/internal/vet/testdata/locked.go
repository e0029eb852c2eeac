package main

import (
	"sync"
)

//tandem:shared set
var Banned = map[string]struct{}{}

//tandem:shared set
var Guests = map[string]struct{}{}

//tandem:shared
var Newest string

var mu, other sync.Mutex

type door struct {
	mu sync.RWMutex
}

func enter(name string) {
	mu.Lock()
	defer mu.Unlock()
	if _, no := Banned[name]; no {
		return
	}
	Guests[name] = struct{}{}
	if len(Guests) > 3 {
		Newest = name
	}
}

func (d *door) enter(name string) {
	d.mu.Lock()
	_, no := Banned[name]
	if !no {
		Guests[name] = struct{}{}
	}
	d.mu.Unlock()
}

func (d *door) peep(name string) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if _, no := Banned[name]; !no {
		Guests[name] = struct{}{} // vet: Guests[...] is written because of Banned
	}
}

func inTwo(name string) {
	mu.Lock()
	_, no := Banned[name]
	mu.Unlock()
	mu.Lock()
	if !no {
		Guests[name] = struct{}{} // vet: Guests[...] is written because of Banned
	}
	mu.Unlock()
}

func sometimes(name string, careful bool) {
	if careful {
		mu.Lock()
		defer mu.Unlock()
	}
	if _, no := Banned[name]; !no {
		Guests[name] = struct{}{} // vet: Guests[...] is written because of Banned
	}
}

func another(name string) {
	mu.Lock()
	_, no := Banned[name]
	other.Lock()
	mu.Unlock()
	if !no {
		Guests[name] = struct{}{} // vet: Guests[...] is written because of Banned
	}
	other.Unlock()
}

func letGo() { mu.Unlock() }

func helped(name string) {
	mu.Lock()
	_, no := Banned[name]
	letGo()
	mu.Lock()
	if !no {
		Guests[name] = struct{}{} // vet: Guests[...] is written because of Banned
	}
	mu.Unlock()
}

func inALoop(names []string) {
	mu.Lock()
	for _, name := range names {
		if _, no := Banned[name]; !no {
			Guests[name] = struct{}{}
		}
	}
	mu.Unlock()
}

func main() {
	enter("a")
	new(door).enter("b")
	new(door).peep("b")
	inTwo("c")
	sometimes("d", true)
	another("e")
	helped("f")
	inALoop([]string{"g"})
	Banned["x"] = struct{}{}
}
