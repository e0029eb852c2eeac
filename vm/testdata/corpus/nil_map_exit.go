package main

func main() { var m map[string]int; println("writing"); m["a"] = 1 }
