// Package changes is the waist that the VM and replication agree on: typed value trees, paths,
// merge kinds, the net changes of a turn, the single-writer cells they fold into, the merge that
// readers do, and the byte-exact delta and snapshot files.
//
// It is pure data and pure functions. It reads no clock, opens no file, starts no goroutine, and
// imports only the standard library and its own package sequence, which orders logs, lists and texts. It does not know how memory is tracked (vm), how cells travel
// (replication), or who may write (net and replication check that before a cell gets here).
//
// Every decoder here takes any bytes: it returns an error or a value whose encoding is those very
// bytes, in time and memory linear in the input.
//
// What it costs: a Value is 48 bytes a node; Diff and Apply walk both trees; Merge is linear in the
// cells of one path, View keeps one cell a run and path; a delta is hashed once with SHA-256 when
// written and once when read; Tree rehashes 512 bytes a level for each changed page.
//
// DESIGN.md has the reasons, FORMAT.md the bytes.
package changes
