package embed

// files is what the loader has a variable of type FS begin with: name, zero byte, length in decimal, zero byte, content; again for each.
func files(text string) FS {
	var list []file
	word := func() (w string) {
		for i := range len(text) {
			if text[i] == 0 {
				w, text = text[:i], text[i+1:]
				return w
			}
		}
		panic("embed: no zero byte")
	}
	for text != "" {
		f := file{name: word()}
		n := 0
		for _, digit := range []byte(word()) {
			n = n*10 + int(digit-'0')
		}
		f.data, text = text[:n], text[n:]
		list = append(list, f)
	}
	return FS{&list}
}
