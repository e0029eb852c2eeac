package aes

func encryptBlock(c *Block, dst, src []byte)
func decryptBlock(c *Block, dst, src []byte)
func ctrBlocks(b *Block, dst, src []byte, ivlo, ivhi uint64)
