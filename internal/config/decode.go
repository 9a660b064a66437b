package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// decoder fills structs from a YAML tree. It is stricter than the library's own:
// it takes no value for another (yes for true, 1.0 for 1), and each of its errors
// says what belongs there. A value that is left empty keeps its default.
type decoder struct {
	report *report
	file   string
	fields map[reflect.Type][]field
	// budget is how many values may still be visited. A file without aliases
	// cannot exceed it; one whose aliases multiply does, and is refused.
	budget int
}

// field is a field of a struct, or of one inlined into it, and its name in the
// file.
type field struct {
	name  string
	index []int
}

// newDecoder returns a decoder for a file of size bytes. A value takes at least
// half a byte, since an empty one needs only its separator.
func newDecoder(r *report, file string, size int) *decoder {
	return &decoder{report: r, file: file, fields: make(map[reflect.Type][]field), budget: 2*size + 1000}
}

// bad reports a problem with the value at n.
func (d *decoder) bad(n *node, at *place, format string, args ...any) {
	d.report.add(Problem{File: d.file, Line: n.Line, Column: n.Column, Path: at.String(), Text: fmt.Sprintf(format, args...)})
}

// decodeRoot stores the top value of a file in the struct that into points to.
func (d *decoder) decodeRoot(root *node, into any) {
	d.decode(root, reflect.ValueOf(into).Elem(), nil)
}

// decode stores n in v.
func (d *decoder) decode(n *node, v reflect.Value, at *place) {
	if d.budget--; d.budget <= 0 {
		if d.budget == 0 {
			d.bad(n, at, "the aliases of this file stand for too many values; write the values out")
		}
		return
	}
	if n.Kind == aliasNode {
		n = n.Alias
	}
	switch {
	case n.Style&taggedStyle != 0:
		d.bad(n, at, "the tag %s has no meaning here; write the value without it", clip(n.Tag))
	case isNull(n):
		// Nothing written: the default stays.
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), at)
	case n.Kind == scalarNode && isText(v):
		d.text(n, v, at)
	case v.Kind() == reflect.Struct && !isLeaf(v.Type()):
		d.mapping(n, v, at)
	case v.Kind() == reflect.Slice:
		d.list(n, v, at)
	case n.Kind != scalarNode:
		d.bad(n, at, "this is %s; write %s", kindName(n), wanted(v.Type()))
	default:
		d.scalar(n, v, at)
	}
}

// mapping stores a YAML mapping in a struct.
func (d *decoder) mapping(n *node, v reflect.Value, at *place) {
	if n.Kind != mappingNode {
		d.bad(n, at, "this is %s; write %s", kindName(n), d.wantedMapping(v))
		return
	}
	known := d.fieldsOf(v.Type())
	lines := make([]int, len(known))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		here := &place{above: at, key: key.Value}
		f := find(known, key.Value)
		switch {
		case key.Kind != scalarNode:
			d.bad(key, at, "a name is %s; write one of %s", kindName(key), names(known))
		case f < 0:
			d.bad(key, here, "%s", unknown(key.Value, known))
		case lines[f] > 0:
			d.bad(key, here, "written twice, first in line %d; keep one", lines[f])
		default:
			lines[f] = key.Line
			d.decode(value, v.FieldByIndex(known[f].index), here)
		}
	}
}

// list stores a YAML sequence in a slice; what the slice held before is gone.
func (d *decoder) list(n *node, v reflect.Value, at *place) {
	if n.Kind != sequenceNode {
		d.bad(n, at, "this is %s; write a list: [...], or one line with a dash for each", kindName(n))
		return
	}
	items := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		here := &place{above: at, index: i}
		if isNull(item) {
			d.bad(item, here, "this item is empty; write a value or remove it")
			continue
		}
		d.decode(item, items.Index(i), here)
	}
	v.Set(items)
}

// text lets a value that parses itself do so.
func (d *decoder) text(n *node, v reflect.Value, at *place) {
	const most = 1024
	if len(n.Value) > most {
		d.bad(n, at, "%d characters are too many; no value here has more than %d", len(n.Value), most)
		return
	}
	if n.Value == "" {
		d.bad(n, at, "this is empty; write a value or remove the line")
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
		d.bad(n, at, "%s", textError(n.Value, v.Type(), err))
	}
}

// scalar stores a number, a switch, a duration or a string.
func (d *decoder) scalar(n *node, v reflect.Value, at *place) {
	ok := false
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		var wait time.Duration
		wait, err := time.ParseDuration(n.Value)
		ok = err == nil
		v.SetInt(int64(wait))
	case v.Kind() == reflect.String:
		// As written: a group may be called "no" or "007".
		ok = true
		v.SetString(n.Value)
	case v.Kind() == reflect.Bool:
		ok = n.ShortTag() == boolTag && (strings.EqualFold(n.Value, "true") || strings.EqualFold(n.Value, "false"))
		v.SetBool(ok && strings.EqualFold(n.Value, "true"))
	case v.CanInt():
		i, err := strconv.ParseInt(n.Value, 10, v.Type().Bits())
		ok = err == nil && n.ShortTag() == intTag
		v.SetInt(i)
	case v.CanUint():
		u, err := strconv.ParseUint(n.Value, 10, v.Type().Bits())
		ok = err == nil && n.ShortTag() == intTag
		v.SetUint(u)
	case v.CanFloat():
		f, err := strconv.ParseFloat(n.Value, 64)
		ok = err == nil && (n.ShortTag() == intTag || n.ShortTag() == floatTag)
		v.SetFloat(f)
	}
	if !ok {
		d.bad(n, at, "%s is no %s; write %s", clip(n.Value), kindOf(v.Type()), wanted(v.Type()))
	}
}

// fieldsOf returns the fields of a struct that a file can set.
func (d *decoder) fieldsOf(t reflect.Type) []field {
	if known, ok := d.fields[t]; ok {
		return known
	}
	known := fieldsOf(t)
	d.fields[t] = known
	return known
}

func fieldsOf(t reflect.Type) []field {
	var known []field
	for i := range t.NumField() {
		name, option, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		switch {
		case option == "inline":
			for _, f := range fieldsOf(t.Field(i).Type) {
				known = append(known, field{name: f.name, index: append([]int{i}, f.index...)})
			}
		case name != "" && name != "-":
			known = append(known, field{name: name, index: []int{i}})
		}
	}
	return known
}

func find(known []field, name string) int {
	for i := range known {
		if known[i].name == name {
			return i
		}
	}
	return -1
}

// isText tells whether v parses itself.
func isText(v reflect.Value) bool {
	return v.CanAddr() && v.Addr().Type().Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// isLeaf tells whether a struct is one value for the file, not a mapping: it has
// no field with a name.
func isLeaf(t reflect.Type) bool { return len(fieldsOf(t)) == 0 }
