package crc32

func archAvailableIEEE() bool { return true }
func archInitIEEE()           {}
func archUpdateIEEE(crc uint32, p []byte) uint32

func archAvailableCastagnoli() bool { return true }
func archInitCastagnoli()           {}
func archUpdateCastagnoli(crc uint32, p []byte) uint32
