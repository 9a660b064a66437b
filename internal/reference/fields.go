package reference

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// fields writes what can stand in a file: a section for each mapping, in the order
// of the structs, with an item for each of its fields.
type fields struct {
	comments comments
	out      strings.Builder
	waiting  []section               // mappings found in those above
	written  map[reflect.Type]string // where a type has been described
}

// section is a mapping of the file.
type section struct {
	path  string // "" is the file itself
	value reflect.Value
}

// writeFields describes the file that v holds the defaults of.
func writeFields(v any, c comments) string {
	f := &fields{comments: c, waiting: []section{{"", reflect.ValueOf(v)}}, written: make(map[reflect.Type]string)}
	for len(f.waiting) > 0 {
		next := f.waiting[0]
		f.waiting = f.waiting[1:]
		f.section(next)
	}
	return f.out.String()
}

// section writes a mapping; those inside it come right after it.
func (f *fields) section(s section) {
	t := s.value.Type()
	if s.path != "" {
		fmt.Fprintf(&f.out, "\n### `%s`\n\n", s.path)
	}
	if before, ok := f.written[t]; ok && t.Name() != "" {
		fmt.Fprintf(&f.out, "As `%s`.\n", before)
		return
	}
	f.written[t] = s.path
	if s.path != "" {
		fmt.Fprintf(&f.out, "%s\n\n", plain(f.comments[t.Name()], t.Name()))
	}
	above := f.waiting
	f.waiting = nil
	f.items(s)
	f.waiting = append(f.waiting, above...)
}

// items writes the fields of a mapping, and of structs that stand in it without a
// name.
func (f *fields) items(s section) {
	t := s.value.Type()
	for i := range t.NumField() {
		name, option, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		value := s.value.Field(i)
		switch {
		case option == "inline":
			f.items(section{s.path, value})
		case name != "" && name != "-":
			f.item(s.path, name, t, t.Field(i).Name, value)
		}
	}
}

// item writes one field.
func (f *fields) item(above, name string, t reflect.Type, goName string, value reflect.Value) {
	path := name
	if above != "" {
		path = above + "." + name
	}
	text := plain(f.comments[t.Name()+"."+goName], goName)
	what := kind(value.Type())
	if isPlain(value.Type()) && (!value.IsZero() || value.Kind() == reflect.Bool) && !strings.Contains(text, "Default") {
		what += ", default `" + written(value) + "`"
	}
	fmt.Fprintf(&f.out, "* **`%s`** (%s): %s\n", name, what, text)
	inner, list := value.Type(), ""
	for inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
		if inner.Kind() == reflect.Slice {
			list = "[]"
		}
		inner = inner.Elem()
	}
	if isMapping(inner) {
		if inner != value.Type() {
			value = reflect.New(inner).Elem()
		}
		f.waiting = append(f.waiting, section{path + list, value})
	}
}

// plain is a comment without the name that Go begins it with.
func plain(comment, goName string) string {
	rest, ok := strings.CutPrefix(comment, goName+" ")
	if !ok {
		return comment
	}
	for _, verb := range []string{"is ", "are "} {
		rest = strings.TrimPrefix(rest, verb)
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// isMapping tells whether the file has a mapping for a type, or can have one.
func isMapping(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for f := range t.Fields() {
		if tag := f.Tag.Get("yaml"); tag != "" && tag != "-" {
			return true
		}
	}
	return false
}

// isPlain tells whether a value is written as one word or number, or as a list of
// them.
func isPlain(t reflect.Type) bool {
	if t.Kind() == reflect.Slice {
		return isPlain(t.Elem())
	}
	return !isMapping(t)
}

// kind says what is written for a value of a type.
func kind(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Slice:
		return "list: " + kind(t.Elem())
	case t.Kind() == reflect.Pointer:
		return kind(t.Elem())
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	}
	if word, ok := kinds()[t.String()]; ok {
		return word
	}
	if words := alternatives(t); words != "" {
		return words
	}
	switch k := t.Kind(); {
	case isMapping(t):
		return "mapping"
	case k == reflect.Bool:
		return "`true` or `false`"
	case k == reflect.Uint16:
		return "port"
	case k == reflect.Float64:
		return "number"
	case k == reflect.Int:
		return "whole number"
	}
	return "text"
}

// kinds are the types that have a name for people.
func kinds() map[string]string {
	return map[string]string{
		"domain.Name": "domain name", "netip.Addr": "IP address", "config.Network": "network", "config.Address": "listener",
		"config.Listen": "listener, or mapping", "config.Domain": "domain name, or mapping",
		"limit.Size": "size", "policy.User": "user@domain", "policy.Pattern": "domain name, or `*.` before one",
	}
}

// alternatives lists the words of a type that takes only some: its error about
// another one names them.
func alternatives(t reflect.Type) string {
	v, ok := reflect.TypeAssert[encoding.TextUnmarshaler](reflect.New(t))
	if !ok {
		return ""
	}
	_, words, ok := strings.Cut(fmt.Sprint(v.UnmarshalText([]byte("?"))), "is unknown; write ")
	if !ok {
		return ""
	}
	return quoted(words)
}

// quoted puts "a, b or c" into code.
func quoted(words string) string {
	all := strings.FieldsFunc(words, func(r rune) bool { return unicode.IsSpace(r) || r == ',' })
	var b strings.Builder
	for i, w := range all {
		switch {
		case w == "or":
			b.WriteString(" or ")
		case i > 0 && all[i-1] != "or":
			b.WriteString(", `" + w + "`")
		default:
			b.WriteString("`" + w + "`")
		}
	}
	return b.String()
}

// written is a value as the file has it.
func written(v reflect.Value) string {
	if v.Kind() == reflect.Slice {
		items := make([]string, v.Len())
		for i := range items {
			items[i] = written(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	text := fmt.Sprint(v.Interface())
	if v.Type() == reflect.TypeFor[time.Duration]() {
		for _, zero := range []string{"m0s", "h0m"} {
			if strings.HasSuffix(text, zero) {
				text = strings.TrimSuffix(text, zero[1:])
			}
		}
	}
	return text
}
