package gcm

import "crypto/internal/fips140/aes"

// sealWhole and openWhole have tags of full size; out has room for exactly what they write.
func sealWhole(out []byte, b *aes.Block, nonce, plaintext, data []byte)
func openWhole(out []byte, b *aes.Block, nonce, ciphertext, data []byte) bool

func seal(out []byte, g *GCM, nonce, plaintext, data []byte) {
	if g.tagSize != gcmTagSize {
		sealGeneric(out, g, nonce, plaintext, data)
		return
	}
	sealWhole(out, &g.cipher, nonce, plaintext, data)
}

func open(out []byte, g *GCM, nonce, ciphertext, data []byte) error {
	if g.tagSize != gcmTagSize {
		return openGeneric(out, g, nonce, ciphertext, data)
	}
	if !openWhole(out, &g.cipher, nonce, ciphertext, data) {
		return errOpen
	}
	return nil
}
