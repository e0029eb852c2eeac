//go:build !go1.26

// Go 1.25 names the iterator of its own maps; with the name gone nothing refers to those maps.

package reflect

//tandem:remove hiter
