package md5

const haveAsm = true

func block(dig *digest, p []byte)
