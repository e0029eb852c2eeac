package sha256

func block(dig *Digest, p []byte)
