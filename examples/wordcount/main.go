// Wordcount counts its part of a text into variables that all peers share.
//
//	wordcount FILE PART PARTS
//
// Every run takes the lines whose number modulo PARTS is PART, so runs on different peers never count a word twice, and
// what they share adds up to the count of the whole text.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/tandemvm/tandem/vm/turn"
)

// Counts is how often each word stands in the text.
//
//tandem:shared map counter
var Counts = map[string]int{}

// Total is the number of words counted.
//
//tandem:shared counter
var Total int

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: wordcount FILE PART PARTS")
		os.Exit(2)
	}
	part, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "wordcount: PART is not a number:", os.Args[2])
		os.Exit(2)
	}
	parts, err := strconv.Atoi(os.Args[3])
	if err != nil || parts < 1 {
		fmt.Fprintln(os.Stderr, "wordcount: PARTS is not a positive number:", os.Args[3])
		os.Exit(2)
	}
	f, err := os.Open(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "wordcount:", err)
		os.Exit(1)
	}
	defer f.Close()
	mine := 0
	lines := bufio.NewScanner(f)
	for n := 0; lines.Scan(); n++ {
		if n%parts != part {
			continue
		}
		for _, word := range strings.Fields(lines.Text()) {
			Counts[plain(word)]++
			Total++
			mine++
		}
		if n/parts%64 == 63 {
			turn.Commit()
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "wordcount:", err)
		os.Exit(1)
	}
	fmt.Printf("part %d of %d: %d words\n", part+1, parts, mine)
}

// plain is a word without case and surrounding punctuation; a word that is nothing else stays as it is.
func plain(word string) string {
	w := strings.TrimFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if w == "" {
		return word
	}
	return strings.ToLower(w)
}
