// Command zstd compresses with a module that has assembly for amd64, and Go instead of it.
package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

func main() {
	text := bytes.Repeat([]byte("the quick brown fox jumps over the lazy dog. "), 500)
	for i := range text {
		if i%37 == 0 {
			text[i] = byte(i)
		}
	}
	for _, level := range []zstd.EncoderLevel{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression} {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err)
		}
		b := w.EncodeAll(text, nil)
		r, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		back, err := r.DecodeAll(b, nil)
		fmt.Printf("%v %d %x %v %v\n", level, len(b), sha256.Sum256(b), bytes.Equal(back, text), err)
		b[len(b)/2] ^= 1
		_, err = r.DecodeAll(b, nil)
		fmt.Println(err)
	}
	b := s2.Encode(nil, text)
	back, err := s2.Decode(nil, b)
	fmt.Println(len(b) < len(text), bytes.Equal(back, text), err)
}
