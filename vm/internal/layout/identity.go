package layout

import "go/types"

// TypeMap maps types to values by identity (types.Identical), remembering the order of first insertion.
type TypeMap[V any] struct {
	buckets map[string][]int
	seen    map[types.Type]int // by pointer, to skip printing a type that was looked up before
	keys    []types.Type
	values  []V
}

func (m *TypeMap[V]) find(t types.Type) (int, string) {
	if i, ok := m.seen[t]; ok {
		return i, ""
	}
	name := LinkString(t)
	for _, i := range m.buckets[name] {
		if types.Identical(m.keys[i], t) {
			m.seen[t] = i
			return i, name
		}
	}
	return -1, name
}

// Get is the value stored for a type identical to t.
func (m *TypeMap[V]) Get(t types.Type) (v V, ok bool) {
	if i, _ := m.find(t); i >= 0 {
		return m.values[i], true
	}
	return v, false
}

// Set stores v for t and for all types identical to it.
func (m *TypeMap[V]) Set(t types.Type, v V) {
	i, name := m.find(t)
	if i >= 0 {
		m.values[i] = v
		return
	}
	if m.buckets == nil {
		m.buckets, m.seen = map[string][]int{}, map[types.Type]int{}
	}
	i = len(m.keys)
	m.buckets[name] = append(m.buckets[name], i)
	m.seen[t] = i
	m.keys, m.values = append(m.keys, t), append(m.values, v)
}

// Len is the number of different types stored.
func (m *TypeMap[V]) Len() int { return len(m.keys) }

// Keys are the stored types, one per identity, in order of first insertion. The slice is the map's own.
func (m *TypeMap[V]) Keys() []types.Type { return m.keys }

// Key is the type first stored that is identical to t, or t itself.
func (m *TypeMap[V]) Key(t types.Type) types.Type {
	if i, _ := m.find(t); i >= 0 {
		return m.keys[i]
	}
	return t
}
