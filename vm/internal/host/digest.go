package host

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding"
	"hash"
	"hash/crc32"
	"slices"

	"github.com/tandemvm/tandem/vm/internal/exec"
)

// digestWork is what a byte costs to hash, in bytes copied.
const digestWork = 8

// digestNatives are the block functions of hashes: what gc has in assembly.
func digestNatives() map[string]exec.Native {
	n := map[string]exec.Native{
		// func block(dig *Digest, p []byte)
		"crypto/md5.block":                     block(md5.New, "md5\x01", 4, 4),
		"crypto/sha1.block":                    block(sha1.New, "sha\x01", 5, 4),
		"crypto/internal/fips140/sha256.block": block(sha256.New, "sha\x03", 8, 4),
		"crypto/internal/fips140/sha512.block": block(sha512.New, "sha\x07", 8, 8),
	}
	// func archUpdateIEEE(crc uint32, p []byte) uint32
	for name, table := range map[string]*crc32.Table{"IEEE": crc32.IEEETable, "Castagnoli": crc32.MakeTable(crc32.Castagnoli)} {
		n["hash/crc32.archUpdate"+name] = native(4, 1, func(t *exec.Thread, w exec.Window) exec.Action {
			p, ok := bytesArg(t, w, 1)
			if !ok {
				return fault(t)
			}
			t.Work(uint64(len(p)))
			w.Set(0, uint64(crc32.Update(uint32(w.Arg(0)), table, p)))
			return exec.Next
		})
	}
	return n
}

// block is a native that hashes the whole blocks of p into the words of a digest, which stand at its beginning. The host's own hash does it: its
// encoded form is magic, the words in big endian, an unfinished block, and a length, of which only the words matter between blocks.
func block(fresh func() hash.Hash, magic string, words, wordBytes int) exec.Native {
	stateBytes := words * wordBytes
	return native(4, 0, func(t *exec.Thread, w exec.Window) exec.Action {
		h := fresh()
		p, ok := bytesArg(t, w, 1)
		p = p[:len(p)/h.BlockSize()*h.BlockSize()]
		state := t.Mem().Writable(w.Arg(0), uint64(stateBytes))
		if !ok || state == nil {
			return fault(t)
		}
		t.Work(uint64(len(p)) * digestWork)
		code := append(make([]byte, 0, 256), magic...)
		code = append(code, state...)
		swap(code[len(magic):], wordBytes)
		code = append(code, make([]byte, h.BlockSize()+8)...)
		if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(code); err != nil {
			panic("BUG: host: digest: " + err.Error())
		}
		h.Write(p)
		code, err := h.(encoding.BinaryAppender).AppendBinary(code[:0])
		if err != nil {
			panic("BUG: host: digest: " + err.Error())
		}
		copy(state, code[len(magic):])
		swap(state, wordBytes)
		return exec.Next
	})
}

// swap turns the order of the bytes of each word around.
func swap(b []byte, wordBytes int) {
	for ; len(b) > 0; b = b[wordBytes:] {
		slices.Reverse(b[:wordBytes])
	}
}
