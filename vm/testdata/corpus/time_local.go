// Local is what TZ says when it is first asked for, also as a file of the database.
package main

import (
	"fmt"
	"os"
	"time"
)

func main() {
	os.Setenv("TZ", "/usr/share/zoneinfo/Asia/Tokyo")
	t := time.Unix(1700000000, 0)
	fmt.Println(t, time.Local, t.Location())
	fmt.Println(t.Zone())
}
