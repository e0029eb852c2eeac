package sequence

import "unicode/utf8"

// splice replaces, in a sequence, the part that is del long at position at by the units of another from..to. Positions and lengths are
// in bytes of text, or in items.
type splice struct {
	at, del  int // in the old value
	from, to int // in the new one
}

// editsMax bounds the search for the fewest edits (Myers, "An O(ND) Difference Algorithm and Its Variations", 1986): what differs by more is
// replaced as a whole.
const editsMax = 1000

// splices finds what has to be replaced in old to make it new, from left to right and not touching one
// another. The cost is that of comparing both, then what lies between the first and the last difference times the number of differences.
func (k *Kind[T]) splices(old, new Content[T]) []splice {
	if k.Unit == Items {
		return k.itemSplices(old.Items, new.Items)
	}
	a, b := old.Text, new.Text
	front := 0
	for front < len(a) && front < len(b) && a[front] == b[front] {
		front++
	}
	if k.Unit == Runes {
		for front > 0 && (front < len(a) && !utf8.RuneStart(a[front]) || front < len(b) && !utf8.RuneStart(b[front])) {
			front--
		}
	}
	back := 0
	for back < len(a)-front && back < len(b)-front && a[len(a)-1-back] == b[len(b)-1-back] {
		back++
	}
	for k.Unit == Runes && back > 0 && !utf8.RuneStart(a[len(a)-back]) {
		back--
	}
	x, atX := k.Unit.symbols(a[front : len(a)-back])
	y, atY := k.Unit.symbols(b[front : len(b)-back])
	found := myers(x, y)
	for i, s := range found {
		found[i] = splice{front + atX[s.at], atX[s.at+s.del] - atX[s.at], front + atY[s.from], front + atY[s.to]}
	}
	return found
}

// symbols are the units of a text as numbers, and where each begins, with the end.
func (u Unit) symbols(text string) (symbols []int32, at []int) {
	for i := 0; i < len(text); {
		symbol, size := int32(text[i]), 1
		if u == Runes && text[i] >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(text[i:])
			if symbol, size = r, n; r == utf8.RuneError && n == 1 {
				symbol = utf8.MaxRune + int32(text[i])
			}
		}
		symbols, at = append(symbols, symbol), append(at, i)
		i += size
	}
	return symbols, append(at, len(text))
}

func (k *Kind[T]) itemSplices(a, b []T) []splice {
	front := 0
	for front < len(a) && front < len(b) && k.Equal(a[front], b[front]) {
		front++
	}
	back := 0
	for back < len(a)-front && back < len(b)-front && k.Equal(a[len(a)-1-back], b[len(b)-1-back]) {
		back++
	}
	numbers := map[string]int32{}
	symbols := func(vs []T) []int32 {
		out := make([]int32, len(vs))
		for i, v := range vs {
			code := string(k.Append(nil, v))
			n, known := numbers[code]
			if !known {
				n = int32(len(numbers))
				numbers[code] = n
			}
			out[i] = n
		}
		return out
	}
	found := myers(symbols(a[front:len(a)-back]), symbols(b[front:len(b)-back]))
	for i := range found {
		found[i].at += front
		found[i].from += front
		found[i].to += front
	}
	return found
}

// myers finds the fewest units to remove and insert, at most editsMax.
func myers(a, b []int32) []splice {
	if len(a) == 0 && len(b) == 0 {
		return nil
	}
	whole := []splice{{0, len(a), 0, len(b)}}
	if len(a) == 0 || len(b) == 0 {
		return whole
	}
	bound := min(len(a)+len(b), editsMax)
	var trace [][]int
	v := make([]int, 2*bound+3) // furthest x on each diagonal, offset by bound+1
	mid := bound + 1
	for d := 0; d <= bound; d++ {
		trace = append(trace, append([]int(nil), v[mid-d-1:mid+d+2]...))
		for k := -d; k <= d; k += 2 {
			x := v[mid+k-1] + 1
			if k == -d || k != d && v[mid+k-1] < v[mid+k+1] {
				x = v[mid+k+1]
			}
			y := x - k
			for x < len(a) && y < len(b) && x >= 0 && y >= 0 && a[x] == b[y] {
				x, y = x+1, y+1
			}
			v[mid+k] = x
			if x >= len(a) && y >= len(b) {
				return backtrack(trace, len(a), len(b))
			}
		}
	}
	return whole
}

// backtrack reads the edits from the end; trace[d] holds the furthest x before round d on the diagonals -d-1 to d+1.
func backtrack(trace [][]int, x, y int) []splice {
	var found []splice
	for d := len(trace) - 1; d > 0; d-- {
		v, mid := trace[d], d+1
		k := x - y
		down := k == -d || k != d && v[mid+k-1] < v[mid+k+1]
		prev := k - 1
		if down {
			prev = k + 1
		}
		px := v[mid+prev]
		py := px - prev
		s := splice{px, 1, py, py}
		if down {
			s = splice{px, 0, py, py + 1}
		}
		if n := len(found) - 1; n >= 0 && found[n].at == s.at+s.del && found[n].from == s.to {
			found[n] = splice{s.at, s.del + found[n].del, s.from, found[n].to}
		} else {
			found = append(found, s)
		}
		x, y = px, py
	}
	for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
		found[i], found[j] = found[j], found[i]
	}
	return found
}
