package main

import "fmt"

var a = b + 1
var b = f("b", 2)
var c, d = g()
var table = map[string]func(int) int{"inc": func(x int) int { return x + a }, "dbl": func(x int) int { return x * 2 }}

func f(n string, v int) int { fmt.Println("init", n); return v }
func g() (int, string)      { return f("cd", a), "d" }
func init()                 { fmt.Println("first init", a, b, c, d) }
func init()                 { fmt.Println("second init"); a = 100 }
func main()                 { fmt.Println(table["inc"](1), table["dbl"](4), len(table)) }
