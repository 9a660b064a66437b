package migrate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// kind is what one command returns.
type kind struct {
	command string
	// marks are properties by which its objects are known: at least one of each group
	// is there, and none of lacks.
	marks [][]string
	lacks []string
	// carry takes one object in, and carried are the properties that it reads.
	carry   func(*importer, *thing)
	carried []string
	// left are properties that have no place in a policy.
	left []property
	// open says that other properties are no news: users have dozens.
	open bool
}

// property is one that is not carried.
type property struct {
	name  string
	quiet string // the value that leaves nothing to tell; "*" is any
	why   string
	wide  bool // without it more is allowed
}

// kinds are what import reads, in the order in which it is carried over: what others
// refer to comes first.
func kinds() []kind {
	return []kind{
		domainKind(), userKind(), poolKind(),
		edgeKind(), blockedKind(), hostingKind(), publicKind(), allowedKind(), xmppKind(), accessKind(),
	}
}

// recognise finds out which command an object comes from; nil if none is known.
func recognise(all []kind, o *object) *kind {
	for i := range all {
		k := &all[i]
		missing := func(group []string) bool { return !slices.ContainsFunc(group, o.has) }
		if !slices.ContainsFunc(k.marks, missing) && !slices.ContainsFunc(k.lacks, o.has) {
			return k
		}
	}
	return nil
}

// unrecognised says what can be read.
func unrecognised(all []kind, o *object) error {
	if o.has("user") && len(o.names) <= 2 {
		return errors.New("this is a list of users, as edged import writes it; leave it out")
	}
	const most = 8
	names := strings.Join(o.names[:min(most, len(o.names))], ", ")
	if len(o.names) > most {
		names += ", ..."
	}
	commands := make([]string, len(all))
	for i := range all {
		commands[i] = all[i].command
	}
	return fmt.Errorf("nothing known has the properties %s; what can be read is what these commands return, with all properties: %s",
		names, strings.Join(commands, ", "))
}

// noise tells whether a property was added by PowerShell or the management store.
func noise(name string) bool {
	switch strings.ToLower(name) {
	case "pscomputername", "psshowcomputername", "runspaceid", "element", "xdsidentity", "typedidentity", "key", "anchor", "scopeclass":
		return true
	}
	return false
}

// remainder tells of every property that says something and was not carried.
func (im *importer) remainder(t *thing) {
	for _, name := range t.names {
		v := t.get(name)
		is := func(other string) bool { return strings.EqualFold(name, other) }
		if v.empty() || noise(name) || slices.ContainsFunc(t.kind.carried, is) {
			continue
		}
		i := slices.IndexFunc(t.kind.left, func(p property) bool { return is(p.name) })
		switch {
		case i < 0 && !t.kind.open:
			im.leave(t, name, v, "not known here")
		case i >= 0 && t.kind.left[i].quiet != "*" && !strings.EqualFold(t.kind.left[i].quiet, v.text):
			l := im.leave(t, name, v, t.kind.left[i].why)
			l.AllowsMore = t.kind.left[i].wide
		}
	}
}
