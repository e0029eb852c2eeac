package main

// Sorting of ints and of strings by hand-written code with a type parameter, and a binary search.

func quick[T int | string](s []T) {
	for len(s) > 12 {
		p, i, j := s[len(s)/2], 0, len(s)-1
		for i <= j {
			for s[i] < p {
				i++
			}
			for p < s[j] {
				j--
			}
			if i <= j {
				s[i], s[j] = s[j], s[i]
				i++
				j--
			}
		}
		quick(s[:j+1])
		s = s[i:]
	}
	for i := 1; i < len(s); i++ {
		for k := i; k > 0 && s[k] < s[k-1]; k-- {
			s[k], s[k-1] = s[k-1], s[k]
		}
	}
}

func find[T int | string](s []T, x T) int {
	lo, hi := 0, len(s)
	for lo < hi {
		m := (lo + hi) / 2
		if s[m] < x {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo
}

func main() {
	x, ints, names := 1, []int(nil), []string(nil)
	for range 120000 {
		x = x * 48271 % 2147483647
		ints = append(ints, x)
		if x%4 == 0 {
			names = append(names, string([]byte{byte('a' + x%26), byte('a' + x/26%26), byte('a' + x/676%26)}))
		}
	}
	quick(ints)
	quick(names)
	s := 0
	for i := 0; i < len(ints); i += 5 {
		s += find(ints, ints[i]) ^ find(names, names[i%len(names)])
	}
	println(s, ints[0], names[0], names[len(names)-1])
}
