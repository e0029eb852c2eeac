// Zones of the database, and one that is not there; what was read stays with the run.
package main

import (
	"fmt"
	"time"
)

func main() {
	at := time.Date(2024, time.March, 31, 0, 30, 0, 0, time.UTC)
	for _, name := range []string{"America/New_York", "Asia/Tokyo", "Europe/Zurich", "Nowhere/Land", "../etc/passwd"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			fmt.Println(err)
			continue
		}
		for range 2 {
			fmt.Println(at.In(zone).Format(time.RFC1123Z), zone)
			at = at.Add(time.Hour)
		}
	}
	zone, _ := time.LoadLocation("Europe/Zurich")
	_, err := time.ParseInLocation("2006-01-02 15:04 MST", "2024-07-09 12:30 CEST", zone)
	fmt.Println(time.Date(2024, 10, 27, 2, 30, 0, 0, zone).AddDate(0, 0, 1), err)
}
