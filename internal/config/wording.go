package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// wanted says what belongs into a field of type t.
func wanted(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a number with a unit, such as 500ms, 30s or 10m"
	case t == reflect.TypeFor[netip.Addr]():
		return "an IP address, such as 203.0.113.10"
	case t.Kind() == reflect.Uint16:
		return "a port, 1 to 65535"
	}
	switch kindOf(t) {
	case "switch":
		return "true or false"
	case "whole number":
		return "digits, such as 100"
	case "number":
		return "digits, such as 5 or 0.5"
	}
	return "one plain value"
}

// kindOf names a type for an operator.
func kindOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t == reflect.TypeFor[netip.Addr]():
		return "IP address"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "switch"
	case reflect.Uint16:
		return "port"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.String, reflect.Struct:
		return "text"
	}
	return "whole number"
}

// wantedMapping says what belongs into a struct.
func (d *decoder) wantedMapping(v reflect.Value) string {
	known := d.fieldsOf(v.Type())
	mapping := fmt.Sprintf("{%s: ...}; known there are %s", known[0].name, names(known))
	if isText(v) {
		return "one plain value, or " + mapping
	}
	return mapping
}

// syntaxHint says what is right where the YAML library only says what is wrong.
// It returns nothing for messages that speak for themselves.
func syntaxHint(message string) string {
	for _, h := range []struct{ part, hint string }{
		{"cannot start any token", "indent with spaces instead of tabs, and quote values that begin with @ or `"},
		{"mapping values are not allowed", "begin each name in the column of its neighbours, and quote values with a colon"},
		{"expected key", "begin each name in the column of its neighbours"},
		{"expected '-' indicator", "begin each item with a dash in the column of the first"},
		{"expected ',' or", "separate by commas, and close the bracket"},
		{"unexpected end of stream", "close the quote"},
		{"unknown anchor", "define it with & further up, or quote a value that begins with *"},
	} {
		if strings.Contains(message, h.part) {
			return "; " + h.hint
		}
	}
	return ""
}

// kindName names what was found instead.
func kindName(n *node) string {
	switch n.Kind {
	case mappingNode:
		return "a mapping"
	case sequenceNode:
		return "a list"
	case aliasNode:
		return "an alias"
	}
	return "the plain value " + clip(n.Value)
}

// textError words the error of a type that parsed itself. Types of the standard
// library do not say what would be right.
func textError(value string, t reflect.Type, err error) string {
	if t == reflect.TypeFor[netip.Addr]() {
		return fmt.Sprintf("%s is no %s; write %s", clip(value), kindOf(t), wanted(t))
	}
	return err.Error()
}

// unknown words the error about a name that does not exist.
func unknown(name string, known []field) string {
	best, distance := "", len(name)/4+2
	for _, f := range known {
		if d := edits(name, f.name, distance); d < distance {
			best, distance = f.name, d
		}
	}
	switch {
	case best != "":
		return "unknown name; write " + best
	case name == "<<":
		return "mappings are not merged here; write the values out"
	}
	return "unknown name; known here are " + names(known)
}

// edits is the Levenshtein distance of a and b, or limit if it is not below.
func edits(a, b string, limit int) int {
	if len(a) > len(b)+limit || len(b) > len(a)+limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(b)], limit)
}

// names lists the fields of a struct.
func names(known []field) string {
	words := make([]string, len(known))
	for i, f := range known {
		words[i] = f.name
	}
	return strings.Join(words, ", ")
}

// clip quotes a value for a message and shortens it.
func clip(s string) string { return strconv.Quote(shorten(s)) }

func shorten(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}
