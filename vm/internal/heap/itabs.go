package heap

// Itabs is the table of itabs made at run time: three words at an address, which are an array, how many are in it and the room. Unlike a Heap
// it remembers what it read: Forget after an undo or a load.
type Itabs struct {
	h    *Heap
	at   uint64
	end  uint64               // types below never change
	made map[[2]uint64]uint64 // by interface and dynamic type; 0: known not to implement
}

// Offsets in abi.ITab.
const (
	itabInter = 0
	itabHash  = 16
	itabFun   = 24
)

// Itabs is the table whose words are at an address; what stands below end never changes.
func (h *Heap) Itabs(at, end uint64) Itabs { return Itabs{h: h, at: at, end: end} }

// Forget makes the table be read anew.
func (x *Itabs) Forget() { x.made = nil }

// Find is the itab for dynamic type typ as interface type inter, made if need be; 0 if typ does not implement it.
func (x *Itabs) Find(inter, typ uint64) (uint64, error) {
	m := x.h.m
	if x.made == nil {
		x.made = map[[2]uint64]uint64{}
		n := min(m.Load64(x.at+8), m.Load64(x.at+16), m.Size()/8) // damaged memory may say anything
		for i := range n {
			t := m.Load64(m.Load64(x.at) + i*8)
			x.made[[2]uint64{m.Load64(t + itabInter), m.Load64(t + itabType)}] = t
		}
	}
	pair := [2]uint64{inter, typ}
	if t, ok := x.made[pair]; ok {
		return t, nil
	}
	funcs := x.h.Implement(inter, typ)
	if funcs == nil {
		if inter < x.end && typ < x.end {
			x.made[pair] = 0
		}
		return 0, nil
	}
	t, err := x.add(inter, typ, funcs)
	if err == nil {
		x.made[pair] = t
	}
	return t, err
}

func (x *Itabs) add(inter, typ uint64, funcs []uint64) (uint64, error) {
	m := x.h.m
	n, room := m.Load64(x.at+8), m.Load64(x.at+16)
	if n == room {
		room = max(2*room, 16)
		grown, err := x.h.AllocKind(KindWords, room*8, 0)
		if err != nil {
			return 0, err
		}
		m.Copy(grown, m.Load64(x.at), n*8)
		m.Store64(x.at, grown)
		m.Store64(x.at+16, room)
	}
	t, err := x.h.AllocKind(KindWords, itabFun+uint64(len(funcs))*8, 0)
	if err != nil {
		return 0, err
	}
	m.Store64(t+itabInter, inter)
	m.Store64(t+itabType, typ)
	m.Store32(t+itabHash, m.Load32(typ+typeHash))
	for i, f := range funcs {
		m.Store64(t+itabFun+uint64(i)*8, f)
	}
	m.Store64(m.Load64(x.at)+n*8, t)
	m.Store64(x.at+8, n+1)
	return t, nil
}
