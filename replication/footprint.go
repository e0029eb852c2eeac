package replication

// Footprint is what the deltas in this peer's store take up.
type Footprint struct {
	Deltas int
	Bytes  int64 // of all of them
	Live   int64 // of the records in them that still mean something
	Kept   int64 // of the deltas that are kept whatever is in them (DESIGN.md, "What bounds the store?")
}

// Footprint reads all deltas in the store, as compaction does.
func (r *Replica) Footprint() (f Footprint, err error) {
	all, err := r.survey(r.judge())
	if err != nil {
		return f, err
	}
	stays, _, err := r.stays()
	if err != nil {
		return f, err
	}
	for _, d := range all {
		f.Deltas++
		f.Bytes += d.bytes
		f.Live += d.live
		if stays(d) {
			f.Kept += d.bytes
		}
	}
	return f, nil
}
