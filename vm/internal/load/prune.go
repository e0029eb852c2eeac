package load

func (l *loader) prune() {}
