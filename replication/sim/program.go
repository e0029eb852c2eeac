package sim

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandemvm/tandem/changes"
	"github.com/tandemvm/tandem/replication"
)

var (
	intType  = &changes.Type{Form: changes.Int}
	textType = &changes.Type{Form: changes.String}
	boolType = &changes.Type{Form: changes.Bool}
)

// variables are the shared variables of the simulated program, one of each way to merge.
var variables = []replication.Variable{
	{Name: "sim.Hits", Rule: "counter", Type: intType},
	{Name: "sim.Counts", Rule: "map counter", Type: &changes.Type{Form: changes.Map, Key: textType, Elem: intType}},
	{Name: "sim.Tags", Rule: "set", Type: &changes.Type{Form: changes.Map, Key: textType, Elem: boolType}},
	{Name: "sim.Title", Rule: "lww", Type: textType},
	{Name: "sim.Best", Rule: "max", Type: intType},
	{Name: "sim.Saw", Rule: "map lww", Type: &changes.Type{Form: changes.Map, Key: textType, Elem: textType}},
	{Name: "sim.In", Rule: "map lww", Type: &changes.Type{Form: changes.Map, Key: textType, Elem: textType}},
}

var specs = func() map[string]*changes.Spec {
	m := map[string]*changes.Spec{}
	for _, v := range variables {
		s, err := changes.ParseSpec(v.Rule, v.Type)
		if err != nil {
			panic("BUG: " + err.Error())
		}
		m[v.Name] = s
	}
	return m
}()

const (
	memoryPages = 6
	consumer    = "consumer" // the name of the run that reads inputs; all others are workers
)

// program is one execution of a run. A worker does the same in turn n of its run wherever it executes, and ends at turn
// last. The consumer takes each input and each message that it has not taken yet, in the order it finds them, its timer fires timersMax times, and it
// never ends.
type program struct {
	run    changes.RunID
	epoch  changes.Epoch
	number int // of the worker, from its name
	last   uint64
	name   string
	turn   uint64
	lines  uint64
	values map[string]changes.Value
	taken  []string // consumer: inputs and messages, in order
	timer  timer    // consumer
	sent   []string // consumer: ids of the messages that were offered here, in order
	places []int    // consumer: the place after each of them
	place  int      // consumer: the place after all that were looked at
	gone   []string // consumer: ids of the messages that were dropped
	drops  int      // consumer: place after them
}

// timer is what the consumer remembers of its timer.
type timer struct {
	fired uint64
	due   int64 // ns since 1970; 0: not armed
	now   int64 // the latest time seen: another peer's clock may be behind
}

const (
	timersMax   = 8
	timerPeriod = 250 * time.Millisecond
)

// tick tells the consumer the time.
func (p *program) tick(now time.Time) { p.timer.now = max(p.timer.now, now.UnixNano()) }

func (t timer) rings() bool { return t.fired < timersMax && t.now >= t.due }

// poison begins the ids of messages with which a turn of the consumer fails: it takes none of those sent after such a one, until that one is dropped.
const poison = "poison "

func poisonous(id string) bool { return strings.HasPrefix(id, poison) }

// untaken are the inputs and messages that the consumer can take and has not.
func (p *program) untaken() (ids []string) {
	in := p.values["sim.In"]
	for i := range in.Len() {
		ids = append(ids, in.Entry(i).Key.Text())
	}
	ids = slices.DeleteFunc(append(ids, p.sent...), func(id string) bool { return slices.Contains(p.taken, id) || slices.Contains(p.gone, id) })
	if i := slices.IndexFunc(ids, poisonous); i >= 0 {
		ids = ids[:i]
	}
	return ids
}

func newProgram(name string, run changes.RunID, epoch changes.Epoch) *program {
	p := &program{run: run, epoch: epoch, name: name, values: map[string]changes.Value{}}
	for _, v := range variables {
		p.values[v.Name] = v.Type.Zero()
	}
	fmt.Sscanf(name, "worker %d until %d", &p.number, &p.last)
	return p
}

// pageOf is page i of a worker's memory after turn n; page 0 changes every turn, of the others one.
func pageOf(number int, n uint64, i uint64) *[changes.PageBytes]byte {
	var p [changes.PageBytes]byte
	if i > 0 {
		for n > 0 && 1+n%(memoryPages-1) != i {
			n--
		}
	}
	if n == 0 {
		return nil
	}
	p[0] = byte(number)
	binary.LittleEndian.PutUint64(p[8:], n)
	binary.LittleEndian.PutUint64(p[16:], i+1)
	return &p
}

// takenPage is the consumer's only page: its turn, its timer, and what it has taken so far.
func takenPage(turn uint64, t timer, taken []string) *[changes.PageBytes]byte {
	var p [changes.PageBytes]byte
	for i, x := range []uint64{turn, t.fired, uint64(t.due), uint64(t.now)} {
		binary.LittleEndian.PutUint64(p[i*8:], x)
	}
	if copy(p[takenAt:], strings.Join(taken, "\n")) == len(p)-takenAt {
		panic("BUG: sim: the consumer's page is full")
	}
	return &p
}

const takenAt = 32

func parseTaken(p *[changes.PageBytes]byte) (turn uint64, t timer, taken []string) {
	text := strings.TrimRight(string(p[takenAt:]), "\x00")
	if text != "" {
		taken = strings.Split(text, "\n")
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(p[i*8:]) }
	return word(0), timer{word(1), int64(word(2)), int64(word(3))}, taken
}

// assign writes what others changed into the program's variables.
func (p *program) assign(as []changes.Assignment) error {
	for _, a := range as {
		v, err := changes.Assign(specs[a.Path.Var], p.values[a.Path.Var], a.Path, a.Value)
		if err != nil {
			return err
		}
		p.values[a.Path.Var] = v
	}
	return nil
}

// idle says whether the consumer has nothing to take.
func (p *program) idle() bool {
	return p.name == consumer && p.turn > 0 && !p.timer.rings() && len(p.untaken()) == 0
}

// next executes a turn. saw is what the program could see of the other runs when it began.
func (p *program) next(saw map[changes.RunID]rank) replication.Turn {
	n := p.turn + 1
	t := replication.Turn{Run: p.run, Epoch: p.epoch, Number: n, Instructions: n * 100, MemoryBytes: memoryPages * changes.PageBytes}
	now := maps.Clone(p.values)
	now["sim.Hits"] = changes.IntValue(changes.Int, now["sim.Hits"].Int()+1)
	say := func(text string) {
		t.Lines = append(t.Lines, changes.Line{Number: p.lines + uint64(len(t.Lines)) + 1, Stream: 1, Text: []byte(text)})
	}
	if p.name == consumer {
		p.consume(say)
		t.Taken = p.through()
		t.Pages = []changes.Page{{Index: 0, Data: takenPage(n, p.timer, p.taken)}}
	} else {
		p.work(n, now, say)
		for _, i := range []uint64{0, 1 + n%(memoryPages-1)} {
			t.Pages = append(t.Pages, changes.Page{Index: i, Data: pageOf(p.number, n, i)})
		}
		t.Done = n == p.last
	}
	put(now, "sim.Saw", fmt.Sprintf("%x", p.run[:4]), changes.StringValue(formatSaw(saw)))
	for _, v := range variables {
		t.Changes = append(t.Changes, changes.Diff(specs[v.Name], changes.VarPath(v.Name), p.values[v.Name], now[v.Name])...)
	}
	p.values, p.turn, p.lines = now, n, p.lines+uint64(len(t.Lines))
	return t
}

// through is the place after the last message before which all were taken or dropped; 0: none were offered here.
func (p *program) through() (place int) {
	for i, id := range p.sent {
		if !slices.Contains(p.taken, id) && !slices.Contains(p.gone, id) {
			break
		}
		place = p.places[i]
	}
	return place
}

// consume takes what there is and lets the timer fire if it is due.
func (p *program) consume(say func(string)) {
	for _, id := range p.untaken() {
		if !slices.Contains(p.taken, id) { // the same id may have been sent twice
			p.taken = append(p.taken, id)
			say("got " + id)
		}
	}
	if !p.timer.rings() {
		return
	}
	if p.timer.due > 0 {
		p.timer.fired++
		say(fmt.Sprintf("timer %d", p.timer.fired))
	}
	p.timer.due = p.timer.now + int64(timerPeriod)
}

// work is what a worker does in turn n.
func (p *program) work(n uint64, now map[string]changes.Value, say func(string)) {
	say(lineOf(p.number, n))
	key := "w" + strconv.FormatUint(n%7, 10)
	counts, _ := now["sim.Counts"].Lookup(changes.StringValue(key))
	sum := int64(n)
	if counts.Present() {
		sum += counts.Int()
	}
	put(now, "sim.Counts", key, changes.IntValue(changes.Int, sum))
	if n%3 == 0 {
		put(now, "sim.Tags", tagOf(p.number, n), changes.BoolValue(true))
	}
	if n%6 == 5 {
		remove(now, "sim.Tags", tagOf(p.number, n-2))
	}
	if n%4 == 0 {
		now["sim.Title"] = changes.StringValue(fmt.Sprintf("%d %d", p.number, n))
	}
	if best := int64(n)*10 + int64(p.number); best > now["sim.Best"].Int() {
		now["sim.Best"] = changes.IntValue(changes.Int, best)
	}
	if n%5 == 0 {
		put(now, "sim.In", fmt.Sprintf("in %d %d", p.number, n), changes.StringValue("x"))
	}
}

func tagOf(number int, n uint64) string  { return fmt.Sprintf("t%d.%d", number, n) }
func lineOf(number int, n uint64) string { return fmt.Sprintf("worker %d says %d", number, n) }

func put(now map[string]changes.Value, variable, key string, v changes.Value) {
	es := entries(now[variable], key)
	now[variable] = changes.MapValue(append(es, changes.Entry{Key: changes.StringValue(key), Value: v})...)
}

func remove(now map[string]changes.Value, variable, key string) {
	now[variable] = changes.MapValue(entries(now[variable], key)...)
}

func entries(v changes.Value, without string) (es []changes.Entry) {
	for i := range v.Len() {
		if e := v.Entry(i); e.Key.Text() != without {
			es = append(es, e)
		}
	}
	return es
}

// rank is a head's place in the order that decides between heads of a run.
type rank struct{ epoch, turn uint64 }

func (a rank) less(b rank) bool { return a.epoch < b.epoch || a.epoch == b.epoch && a.turn < b.turn }

func formatSaw(saw map[changes.RunID]rank) string {
	var out []string
	for id, r := range saw {
		out = append(out, fmt.Sprintf("%x:%d:%d", id[:4], r.epoch, r.turn))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func parseSaw(text string) map[string]rank {
	m := map[string]rank{}
	for _, w := range strings.Fields(text) {
		f := strings.Split(w, ":")
		e, _ := strconv.ParseUint(f[1], 10, 64)
		t, _ := strconv.ParseUint(f[2], 10, 64)
		m[f[0]] = rank{e, t}
	}
	return m
}

// expected is what a worker leaves behind after turn n when nothing ever went wrong.
type expected struct {
	counts map[string]int64
	tags   map[string]bool
	inputs []string
}

func expect(number int, n uint64) expected {
	e := expected{map[string]int64{}, map[string]bool{}, nil}
	for i := uint64(1); i <= n; i++ {
		e.counts["w"+strconv.FormatUint(i%7, 10)] += int64(i)
		if i%3 == 0 {
			e.tags[tagOf(number, i)] = true
		}
		if i%6 == 5 {
			delete(e.tags, tagOf(number, i-2))
		}
		if i%5 == 0 {
			e.inputs = append(e.inputs, fmt.Sprintf("in %d %d", number, i))
		}
	}
	return e
}
