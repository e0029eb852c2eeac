package sha512

func block(dig *Digest, p []byte)
