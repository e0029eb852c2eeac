// Package runtime is the guest side of the machine.
//
//tandem:replace
package runtime
