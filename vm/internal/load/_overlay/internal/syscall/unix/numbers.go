// The numbers of linux/amd64, as package syscall has them.

package unix

//tandem:from sysnum_linux_amd64.go
//tandem:from at_sysnum_newfstatat_linux.go
