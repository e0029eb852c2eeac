package heap

// Type reads, from the abi.Type at an address, what the machine needs. All are total: a malformed descriptor gives zeros.

// TypeSize is the size in bytes of a value of type t.
func (h *Heap) TypeSize(t uint64) uint64 { panic("BUG: not built") }

// TypePtrBytes is the number of leading bytes of a value that can hold pointers.
func (h *Heap) TypePtrBytes(t uint64) uint64 { panic("BUG: not built") }

// TypeKind is the reflect.Kind number of t.
func (h *Heap) TypeKind(t uint64) uint8 { panic("BUG: not built") }

// TypeAlign is the alignment of a variable of type t.
func (h *Heap) TypeAlign(t uint64) uint64 { panic("BUG: not built") }

// TypeDirect reports whether an interface's data word holds a value of type t itself.
func (h *Heap) TypeDirect(t uint64) bool { panic("BUG: not built") }

// TypeElem is the element type of an array, channel, map, pointer or slice type, else 0.
func (h *Heap) TypeElem(t uint64) uint64 { panic("BUG: not built") }

// TypeKey is the key type of a map type.
func (h *Heap) TypeKey(t uint64) uint64 { panic("BUG: not built") }

// TypeLen is the length of an array type.
func (h *Heap) TypeLen(t uint64) uint64 { panic("BUG: not built") }

// TypeFields is the number of fields of a struct type.
func (h *Heap) TypeFields(t uint64) int { panic("BUG: not built") }

// TypeField is field i of a struct type: its type, offset and whether its name is blank.
func (h *Heap) TypeField(t uint64, i int) (typ, offset uint64, blank bool) { panic("BUG: not built") }

// TypeFieldName is the name of field i of a struct type.
func (h *Heap) TypeFieldName(t uint64, i int) string { panic("BUG: not built") }

// TypeString is t as Go prints it: main.T, []int.
func (h *Heap) TypeString(t uint64) string { panic("BUG: not built") }

// ItabType is the dynamic type of an itab.
func (h *Heap) ItabType(tab uint64) uint64 { panic("BUG: not built") }
