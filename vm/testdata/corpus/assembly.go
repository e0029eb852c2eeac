// What gc has in assembly and the machine in natives: hashes, ciphers, and the vectors of math/big, at lengths around their blocks.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/fnv"
	"math/big"
)

var seed uint32 = 1

func text(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		seed = seed*1664525 + 1013904223
		b[i] = byte(seed >> 24)
	}
	return b
}

func main() {
	hashes()
	ciphers()
	numbers()
}

func hashes() {
	for name, fresh := range []func() hash.Hash{md5.New, sha1.New, sha256.New, sha256.New224, sha512.New, sha512.New384,
		func() hash.Hash { return crc32.NewIEEE() }, func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
		func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Koopman)) }} {
		all := fnv.New64a()
		for _, n := range []int{0, 1, 55, 56, 63, 64, 65, 111, 112, 127, 128, 129, 1000, 4096, 70000} {
			h, p := fresh(), text(n)
			for len(p) > 300 {
				h.Write(p[:299])
				p = p[299:]
			}
			h.Write(p)
			all.Write(h.Sum(nil))
			b, err := h.(encoding.BinaryMarshaler).MarshalBinary()
			if err != nil {
				panic(err)
			}
			g := fresh()
			if err := g.(encoding.BinaryUnmarshaler).UnmarshalBinary(b); err != nil {
				panic(err)
			}
			g.Write([]byte("more"))
			all.Write(g.Sum(nil))
		}
		fmt.Printf("%d %x\n", name, all.Sum64())
	}
}

func ciphers() {
	for _, keyBytes := range []int{16, 24, 32} {
		c, err := aes.NewCipher(text(keyBytes))
		if err != nil {
			panic(err)
		}
		all := fnv.New64a()
		for _, n := range []int{16, 32, 48, 1600} {
			p, iv := text(n), text(16)
			q, r := make([]byte, n), make([]byte, n)
			for i := 0; i < n; i += 16 {
				c.Encrypt(q[i:], p[i:])
				c.Decrypt(r[i:], q[i:])
			}
			fmt.Print(bytes.Equal(p, r), " ")
			all.Write(q)
			cipher.NewCBCEncrypter(c, iv).CryptBlocks(q, p)
			cipher.NewCBCDecrypter(c, iv).CryptBlocks(r, q)
			fmt.Print(bytes.Equal(p, r), " ")
			all.Write(q)
			for i := range iv {
				iv[i] |= 0xf0 // so that the counter is carried
			}
			cipher.NewCTR(c, iv).XORKeyStream(q[:n-3], p[:n-3])
			all.Write(q)
		}
		for _, n := range []int{0, 1, 15, 16, 17, 500} {
			for _, shape := range []struct{ nonce, tag int }{{12, 16}, {16, 16}, {12, 13}} {
				g, err := cipher.NewGCMWithNonceSize(c, shape.nonce)
				if shape.tag != 16 {
					g, err = cipher.NewGCMWithTagSize(c, shape.tag)
				}
				if err != nil {
					panic(err)
				}
				nonce, p, data := text(shape.nonce), text(n), text(n/2)
				q := g.Seal(nil, nonce, p, data)
				all.Write(q)
				r, err := g.Open(nil, nonce, q, data)
				fmt.Print(bytes.Equal(p, r), err, " ")
				q[len(q)-1]++
				r, err = g.Open(q[:0], nonce, q, data)
				fmt.Print(len(r), err, " ")
			}
		}
		fmt.Printf("%x\n", all.Sum64())
	}
}

func numbers() {
	all := fnv.New64a()
	note := func(x *big.Int) { all.Write(x.Bytes()); all.Write([]byte{byte(x.Sign())}) }
	for i := range 60 {
		x, y := new(big.Int).SetBytes(text(i*i/2)), new(big.Int).SetBytes(text(i*7+1))
		if i%3 == 0 {
			x.SetBit(x, i*40, 1).Sub(x, big.NewInt(1)) // long carries
		}
		note(new(big.Int).Add(x, y))
		note(new(big.Int).Sub(x, y))
		note(new(big.Int).Mul(x, y))
		note(new(big.Int).Mul(x, x))
		note(new(big.Int).Lsh(x, uint(i)))
		note(new(big.Int).Rsh(x, uint(i)))
		x.Lsh(x, uint(i%64))
		x.Rsh(x, uint(i%60))
		if y.Sign() != 0 {
			q, r := new(big.Int).DivMod(x, y, new(big.Int))
			note(q)
			note(r)
			note(new(big.Int).Exp(big.NewInt(int64(i)), big.NewInt(1000), y))
		}
		note(new(big.Int).GCD(nil, nil, new(big.Int).Abs(x), y))
		note(new(big.Int).Sqrt(new(big.Int).Abs(x)))
		all.Write([]byte(x.String()))
		z, ok := new(big.Int).SetString(x.String(), 10)
		fmt.Print(ok && z.Cmp(x) == 0, " ")
	}
	fmt.Printf("%x %v\n", all.Sum64(), new(big.Int).Exp(big.NewInt(7), big.NewInt(300), nil))
}
