package main

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/hashd-project/hashd/v2/client"
)

// The formats of a bulk's output.
const (
	formatCSV    = "csv"
	formatNDJSON = "ndjson"
)

// What became of a line.
const (
	statusDone    = "done"
	statusPending = "pending" // with --no-wait
	statusGone    = "gone"    // canceled, erased, or past its retention
	statusUnknown = "unknown" // the server knows no such job
)

// record is a line of a bulk's output. It never has the secret.
type record struct {
	Line   int64        `json:"line"`
	ID     client.JobID `json:"id"`
	Status string       `json:"status"`
	Hash   string       `json:"hash,omitempty"`
}

// missing says whether there is no hash, and never will be.
func (r record) missing() bool { return r.Status == statusGone || r.Status == statusUnknown }

const csvHeader = "line,id,status,hash\n"

// beginning returns what the record of the line begins with, whatever became of it.
func beginning(line int64, format string) string {
	number := strconv.FormatInt(line, 10)
	switch {
	case format == formatNDJSON:
		return `{"line":` + number + ","
	case line == 1:
		return csvHeader + number + ","
	}
	return number + ","
}

// encode returns the records in the format. The first of a CSV file have its header before them.
func encode(records []record, format string) []byte {
	var b bytes.Buffer
	if format == formatNDJSON {
		e := json.NewEncoder(&b)
		for _, r := range records {
			_ = e.Encode(r) // a record can always be encoded
		}
		return b.Bytes()
	}
	if len(records) > 0 && records[0].Line == 1 {
		b.WriteString(csvHeader)
	}
	for _, r := range records { // nothing in a record needs quoting in CSV
		b.Write(strconv.AppendInt(b.AvailableBuffer(), r.Line, 10))
		b.WriteByte(',')
		b.Write(strconv.AppendInt(b.AvailableBuffer(), r.ID, 10))
		b.WriteString("," + r.Status + "," + r.Hash + "\n")
	}
	return b.Bytes()
}
