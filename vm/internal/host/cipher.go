package host

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"github.com/tandemvm/tandem/vm/internal/exec"
)

// cipherNatives are AES and its modes, which gc has in assembly. A *Block is its number of rounds, then the words of the expanded key, the first
// of which are the key itself.
func cipherNatives() map[string]exec.Native {
	const pkg = "crypto/internal/fips140/"
	return map[string]exec.Native{
		// func encryptBlock(c *Block, dst, src []byte)
		pkg + "aes.encryptBlock": oneBlock(cipher.Block.Encrypt),
		pkg + "aes.decryptBlock": oneBlock(cipher.Block.Decrypt),
		// func ctrBlocks(b *Block, dst, src []byte, ivlo, ivhi uint64)
		pkg + "aes.ctrBlocks": native(9, 0, ctrBlocks),
		// func xorBytes(dst, a, b *byte, n int)
		pkg + "subtle.xorBytes": native(4, 0, xorBytes),
		// func sealWhole(out []byte, b *aes.Block, nonce, plaintext, data []byte)
		pkg + "aes/gcm.sealWhole": native(13, 0, sealWhole),
		// func openWhole(out []byte, b *aes.Block, nonce, ciphertext, data []byte) bool
		pkg + "aes/gcm.openWhole": native(13, 1, openWhole),
	}
}

// aesAt is the cipher of the *Block at addr, nil if there is none.
func aesAt(t *exec.Thread, addr uint64) cipher.Block {
	b, ok := bytesAt(t, addr, 8+aes256Bytes)
	if !ok {
		return nil
	}
	keyBytes := binary.LittleEndian.Uint64(b)*4 - 24 // 10 rounds for 16 bytes, 2 more for each 8
	if keyBytes > aes256Bytes {
		return nil
	}
	key := bytes.Clone(b[8 : 8+keyBytes])
	swap(key, 4)
	c, err := aes.NewCipher(key)
	if err != nil {
		return nil
	}
	return c
}

const aes256Bytes = 32

// oneBlock is a native that encrypts or decrypts a block.
func oneBlock(f func(c cipher.Block, dst, src []byte)) exec.Native {
	return native(7, 0, func(t *exec.Thread, w exec.Window) exec.Action {
		c := aesAt(t, w.Arg(0))
		src, ok := bytesAt(t, w.Arg(4), aes.BlockSize)
		dst := t.Mem().Writable(w.Arg(1), aes.BlockSize)
		if c == nil || !ok || dst == nil {
			return fault(t)
		}
		var in, out [aes.BlockSize]byte // the guest's may overlap anyhow
		copy(in[:], src)
		f(c, out[:], in[:])
		copy(dst, out[:])
		return exec.Next
	})
}

func ctrBlocks(t *exec.Thread, w exec.Window) exec.Action {
	c := aesAt(t, w.Arg(0))
	src, ok := bytesArg(t, w, 4)
	dst := t.Mem().Writable(w.Arg(1), uint64(len(src)))
	if c == nil || !ok || dst == nil && len(src) > 0 {
		return fault(t)
	}
	t.Work(uint64(len(src)))
	var iv [aes.BlockSize]byte
	binary.BigEndian.PutUint64(iv[:], w.Arg(8))
	binary.BigEndian.PutUint64(iv[8:], w.Arg(7))
	copy(dst, src)
	cipher.NewCTR(c, iv[:]).XORKeyStream(dst, dst)
	return exec.Next
}

func xorBytes(t *exec.Thread, w exec.Window) exec.Action {
	n := w.Arg(3)
	a, okA := bytesAt(t, w.Arg(1), n)
	b, okB := bytesAt(t, w.Arg(2), n)
	dst := t.Mem().Writable(w.Arg(0), n)
	if !okA || !okB || dst == nil && n > 0 {
		return fault(t)
	}
	t.Work(n)
	i := 0
	for ; i+8 <= len(dst); i += 8 {
		binary.LittleEndian.PutUint64(dst[i:], binary.LittleEndian.Uint64(a[i:])^binary.LittleEndian.Uint64(b[i:]))
	}
	for ; i < len(dst); i++ {
		dst[i] = a[i] ^ b[i]
	}
	return exec.Next
}

// gcmArgs are the operands of sealWhole and openWhole, apart from out as the host's cipher demands it; ok is false when they
// are not what package gcm passes.
func gcmArgs(t *exec.Thread, w exec.Window) (out []byte, a cipher.AEAD, nonce, text, data []byte, ok bool) {
	c := aesAt(t, w.Arg(3))
	nonce, okN := bytesArg(t, w, 4)
	text, okT := bytesArg(t, w, 7)
	data, okD := bytesArg(t, w, 10)
	out = t.Mem().Writable(w.Arg(0), w.Arg(1))
	if c == nil || !okN || !okT || !okD || out == nil && w.Arg(1) > 0 {
		return
	}
	a, err := cipher.NewGCMWithNonceSize(c, len(nonce))
	if err != nil {
		return
	}
	t.Work(uint64(len(text)+len(data)) * 2)
	return out, a, bytes.Clone(nonce), bytes.Clone(text), bytes.Clone(data), true
}

func sealWhole(t *exec.Thread, w exec.Window) exec.Action {
	out, a, nonce, text, data, ok := gcmArgs(t, w)
	if !ok || len(out) != len(text)+a.Overhead() {
		return fault(t)
	}
	a.Seal(out[:0], nonce, text, data)
	return exec.Next
}

func openWhole(t *exec.Thread, w exec.Window) exec.Action {
	out, a, nonce, text, data, ok := gcmArgs(t, w)
	if !ok || len(text) != len(out)+a.Overhead() {
		return fault(t)
	}
	_, err := a.Open(out[:0], nonce, text, data)
	w.SetBool(0, err == nil)
	return exec.Next
}
