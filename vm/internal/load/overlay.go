package load

func (l *loader) mergeOverlays() error { return nil }
