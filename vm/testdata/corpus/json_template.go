package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"text/tabwriter"
	"text/template"
)

type Item struct {
	Name   string   `json:"name"`
	Tags   []string `json:"tags,omitempty"`
	Price  float64
	hidden int
	Sub    *Item `json:"sub"`
}

func main() {
	b, err := json.Marshal(Item{"a", []string{"x", "y"}, 1.5, 3, &Item{Name: "b"}})
	fmt.Println(string(b), err)
	var it Item
	err = json.Unmarshal([]byte(`{"name":"z","tags":["q"],"Price":2e3,"sub":{"name":"s"}}`), &it)
	fmt.Println(it.Name, it.Tags, it.Price, it.Sub.Name, err)
	var v any
	json.Unmarshal([]byte(`{"k":[1,true,null,"s",{"n":1.5}]}`), &v)
	fmt.Println(v)
	fmt.Println(json.Unmarshal([]byte(`{"name":5}`), &it))
	t := template.Must(template.New("t").Parse("{{range $i, $e := .}}{{if $i}}, {{end}}{{$e.Name | printf \"%q\"}}{{end}}\n"))
	t.Execute(os.Stdout, []Item{{Name: "one"}, {Name: "two"}})
	re := regexp.MustCompile(`(\w+)@(\w+)\.com`)
	fmt.Println(re.FindStringSubmatch("mail bob@example.com now"), re.ReplaceAllString("a@b.com c@d.com", "$2:$1"))
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "a\tbbb\tc")
	fmt.Fprintln(w, "aaaa\tb\tc")
	w.Flush()
}
