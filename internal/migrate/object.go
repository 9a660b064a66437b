package migrate

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// object is one thing that a command returned: its properties by their names in
// lower case, since case means nothing to PowerShell.
type object struct {
	names  []string       // as they are written
	index  map[string]int // of a name in values; the rows of one file share it
	values []value
}

// value is a property. An absent one and null are the zero value.
type value struct {
	text   string   // of a plain value, True and False among them
	list   []string // of a list of plain values
	number bool     // JSON wrote a number: of an enumeration it tells nobody what it means
	opaque bool     // there is something that has no text
}

// empty tells that there is nothing.
func (v value) empty() bool { return v.text == "" && len(v.list) == 0 && !v.opaque }

// String is for people.
func (v value) String() string {
	switch {
	case v.opaque:
		return "(an object)"
	case len(v.list) > 0:
		return strings.Join(v.list, ", ")
	}
	return v.text
}

func (o *object) has(name string) bool {
	_, ok := o.index[strings.ToLower(name)]
	return ok
}

func (o *object) get(name string) value {
	if i, ok := o.index[strings.ToLower(name)]; ok {
		return o.values[i]
	}
	return value{}
}

// indexOf is where each name stands; of two that differ in case only, the first.
func indexOf(names []string) map[string]int {
	index := make(map[string]int, len(names))
	for i, name := range slices.Backward(names) {
		index[strings.ToLower(name)] = i
	}
	return index
}

// read finds the objects in a file's text.
func read(text string) ([]object, error) {
	start := strings.TrimLeft(text, " \t\r\n") // not at the end: the last field of CSV may be empty
	switch {
	case start == "":
		return nil, nil // what a command without results exports
	case strings.ContainsRune(text, 0):
		return nil, errors.New("this is no text; " + howTo)
	case start[0] == '[' || start[0] == '{':
		return readJSON(start)
	}
	return readCSV(text)
}

// howTo is what helps with a file that is something else.
const howTo = "export it with Export-Csv -NoTypeInformation -Encoding UTF8, or with ConvertTo-Json"

// readJSON reads what ConvertTo-Json writes: an object, a list, or several of them.
func readJSON(text string) ([]object, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var all []object
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err == nil {
			all, err = flatten(all, v)
		}
		if err != nil {
			return nil, fmt.Errorf("JSON near byte %d: %w; %s", d.InputOffset(), err, howTo)
		}
	}
}

// flatten appends the objects of a value. Windows PowerShell wraps some lists into
// {"value": [...], "Count": 2}.
func flatten(all []object, v any) ([]object, error) {
	switch v := v.(type) {
	case []any:
		var err error
		for _, item := range v {
			if all, err = flatten(all, item); err != nil {
				return nil, err
			}
		}
		return all, nil
	case map[string]any:
		if list, ok := v["value"].([]any); ok && v["Count"] != nil {
			return flatten(all, list)
		}
		o := object{names: slices.Sorted(maps.Keys(v))}
		o.index = indexOf(o.names)
		for _, name := range o.names {
			o.values = append(o.values, plain(v[name]))
		}
		return append(all, o), nil
	}
	return nil, errors.New("what is listed is not an object; pipe the command itself into ConvertTo-Json")
}

// plain turns a JSON value into ours.
func plain(v any) value {
	switch v := v.(type) {
	case nil:
		return value{}
	case string:
		return value{text: strings.TrimSpace(v)}
	case json.Number:
		return value{text: v.String(), number: true}
	case bool:
		return value{text: map[bool]string{true: "True", false: "False"}[v]}
	case []any:
		return plainList(v)
	case map[string]any:
		return named(v)
	}
	return value{opaque: true}
}

func plainList(items []any) value {
	var all value
	for _, item := range items {
		one := plain(item)
		if one.opaque || len(one.list) > 0 {
			return value{opaque: true}
		}
		all.list = append(all.list, one.text)
	}
	return all
}

// named is an object that stands for its name, as policies in Get-CsUser do.
func named(v map[string]any) value {
	if list, ok := v["value"].([]any); ok {
		return plainList(list)
	}
	for _, key := range []string{"Name", "Identity", "Value", "value"} {
		if text, ok := v[key].(string); ok {
			return value{text: strings.TrimSpace(text)}
		}
	}
	return value{opaque: len(v) > 0}
}

// readCSV reads what Export-Csv writes.
func readCSV(text string) ([]object, error) {
	header, rest, _ := strings.Cut(strings.TrimLeft(text, " \t\r\n"), "\n")
	if strings.HasPrefix(header, "#TYPE") { // Windows PowerShell, without -NoTypeInformation
		text = strings.Replace(text, header, "", 1) // but not its line, which is counted
		header, _, _ = strings.Cut(rest, "\n")
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = delimiter(header)
	names, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("neither JSON nor CSV: %w; %s", err, howTo)
	}
	var all []object
	index := indexOf(names)
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			if all == nil { // columns and no rows: one object without values, so that they are judged too
				all = []object{{names: names, index: index, values: make([]value, len(names))}}
			}
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("CSV: %w; %s", err, howTo)
		}
		o := object{names: names, index: index, values: make([]value, len(row))}
		for i, field := range row {
			o.values[i] = cell(field)
		}
		all = append(all, o)
	}
}

// delimiter is what Export-Csv puts between fields: a comma, or with -UseCulture what
// the country uses.
func delimiter(header string) rune {
	best := ','
	for _, c := range []rune{';', '\t'} {
		if strings.Count(header, string(c)) > strings.Count(header, string(best)) {
			best = c
		}
	}
	return best
}

// cell is a field. Of a list Export-Csv writes only what type it is.
func cell(field string) value {
	field = strings.TrimSpace(field)
	if strings.HasPrefix(field, "System.") || strings.HasPrefix(field, "Microsoft.") {
		if strings.ContainsAny(field, "`[") {
			return value{opaque: true}
		}
	}
	return value{text: field}
}

// boolean reads True and False; ok is false for anything else.
func (v value) boolean() (is, ok bool) {
	switch strings.ToLower(v.text) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// count reads a number that is not negative.
func (v value) count() (n int, ok bool) {
	n, err := strconv.Atoi(v.text)
	return n, err == nil && n >= 0
}
