package main

import (
	"errors"
	"fmt"
	"sync"
)

type job struct {
	id   int
	data []int
}
type result struct {
	id, sum int
	err     error
}

func run(jobs <-chan job, res chan<- result, wg *sync.WaitGroup) {
	defer wg.Done()
	for j := range jobs {
		func() {
			defer func() {
				if r := recover(); r != nil {
					res <- result{j.id, 0, fmt.Errorf("job %d: %v", j.id, r)}
				}
			}()
			s := 0
			for i, d := range j.data {
				s += d * j.data[len(j.data)-1-i]
				if j.id%7 == 3 && i == 4 {
					panic(errors.New("unlucky"))
				}
			}
			res <- result{j.id, s, nil}
		}()
	}
}
func main() {
	jobs, res := make(chan job), make(chan result, 2)
	var wg sync.WaitGroup
	for w := 0; w < 4; w++ {
		wg.Add(1)
		go run(jobs, res, &wg)
	}
	go func() {
		for i := 0; i < 30; i++ {
			d := make([]int, i+1)
			for k := range d {
				d[k] = i ^ k
			}
			jobs <- job{i, d}
		}
		close(jobs)
		wg.Wait()
		close(res)
	}()
	all := make([]result, 30)
	for r := range res {
		all[r.id] = r
	}
	for _, r := range all {
		fmt.Println(r.id, r.sum, r.err)
	}
}
