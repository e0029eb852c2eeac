// Cryptography without assembly, with constant-time selection.
package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/subtle"
	"fmt"
)

func main() {
	key := bytes.Repeat([]byte{7}, 32)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	gcm, _ := cipher.NewGCM(block)
	sealed := gcm.Seal(nil, key[:12], []byte("a secret"), []byte("header"))
	opened, err := gcm.Open(nil, key[:12], sealed, []byte("header"))
	fmt.Printf("%x %s %v\n", sealed, opened, err)
	_, err = gcm.Open(nil, key[:12], sealed, nil)
	fmt.Println(err)
	private := ed25519.NewKeyFromSeed(key)
	signature := ed25519.Sign(private, []byte("text"))
	fmt.Printf("%x %v\n", signature, ed25519.Verify(private.Public().(ed25519.PublicKey), []byte("text"), signature))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("text"))
	fmt.Printf("%x %x\n", mac.Sum(nil), sha3.Sum256([]byte("text")))
	a, err := ecdh.X25519().NewPrivateKey(key)
	if err != nil {
		panic(err)
	}
	shared, err := a.ECDH(a.PublicKey())
	fmt.Printf("%x %v %d\n", shared, err, subtle.ConstantTimeSelect(1, 2, 3))
}
