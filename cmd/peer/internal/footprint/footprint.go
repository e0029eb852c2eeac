// Package footprint keeps a process small whose binary is large: of the code and constants of the binary, and of the libraries it is linked with, only those pages count as the process's memory
// that it uses, and Drop gives back those that will not be used again, such as what only initialisers needed. It is not about memory that Go allocates.
//
// Kernels map a file's pages around the one that is asked for, 64 KiB or more, and where the page cache holds larger pieces 2 MiB at once. The runtime looks at types and the
// initialisers of some hundred packages stand all over a binary of 70 MiB, so a process that prints its version would hold nearly all of it. Going without costs
// a fault for each page that is used, some 3,000 of a fraction of a microsecond. Where the kernel does not offer it (Linux before 6.7, filtered system calls), and in builds
// without cgo, nothing changes.
//
// It must begin before Go does, so it is a constructor in C: importing the package is enough.
package footprint
