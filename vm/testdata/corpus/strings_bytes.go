package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

func main() {
	s := "Hello, 世界! \xff bad"
	for i, r := range s {
		fmt.Print(i, ":", r, " ")
	}
	fmt.Println(len(s), utf8.RuneCountInString(s), utf8.ValidString(s), []byte(s)[7:10], []rune(s)[7], string([]rune{19990, 0x10FFFF + 1, -1}))
	fmt.Println(strings.Fields("  a b   c "), strings.Split("a,b,c", ","), strings.Repeat("ab", 3), strings.ToUpper("straße"), strings.Title("foo bar"), strings.Index("chicken", "ken"), strings.Replace("oink oink oink", "k", "ky", 2))
	var b strings.Builder
	for i := 0; i < 100; i++ {
		b.WriteByte(byte('a' + i%26))
	}
	fmt.Println(b.String(), b.Len())
	n, err := strconv.Atoi("12x")
	fmt.Println(n, err)
	f, _ := strconv.ParseFloat("1e-7", 64)
	fmt.Println(f, strconv.Quote("hi\n\x00☺"), strconv.FormatInt(-255, 16))
	_, err = strconv.ParseInt("99999999999999999999", 10, 64)
	fmt.Println(err)
	fmt.Println(bytes.Equal([]byte("a"), []byte{97}), bytes.ToTitle([]byte("abc")), bytes.TrimSpace([]byte(" x ")), strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToUpper(r)
	}, "a1b2"))
	x := "a"
	for i := 0; i < 10; i++ {
		x += x
	}
	fmt.Println(len(x), x < "b", "a"+"b" == "ab", strings.Compare("a", "b"))
	r := strings.NewReplacer("<", "&lt;", ">", "&gt;")
	fmt.Println(r.Replace("<a>b</a>"), strings.EqualFold("Go", "GO"), strings.Count("cheese", "e"))
}
