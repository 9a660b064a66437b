package config

import (
	"strconv"
	"strings"
)

// place is where the decoder is: a chain towards the root, printed only when
// something is wrong there.
type place struct {
	above *place
	key   string // of a mapping; if empty, index counts
	index int
}

// String is the path as people write it: sip.pools[0].members.
func (p *place) String() string {
	if p == nil {
		return ""
	}
	above := p.above.String()
	switch {
	case p.key == "":
		return above + "[" + strconv.Itoa(p.index) + "]"
	case above == "":
		return plainKey(p.key)
	}
	return above + "." + plainKey(p.key)
}

// plainKey is the key itself if it looks like a name, else quoted and shortened:
// a path is always one short line.
func plainKey(key string) string {
	for _, r := range key {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return clip(key)
		}
	}
	return shorten(key)
}

// locate returns the value at path below root, or the innermost value around it
// that was written. root may be nil.
func locate(root *node, path string) *node {
	n := root
	for n != nil && path != "" {
		if n.Kind == aliasNode {
			n = n.Alias
		}
		var step string
		step, path = cutStep(path)
		below := child(n, step)
		if below == nil {
			return n
		}
		n = below
	}
	return n
}

// cutStep splits `pools[0].name` into `pools` and `[0].name`, and that into `[0]`
// and `name`.
func cutStep(path string) (step, rest string) {
	end := len(path)
	if i := strings.IndexAny(path[1:], ".["); i >= 0 {
		end = i + 1
	}
	return path[:end], strings.TrimPrefix(path[end:], ".")
}

// child returns the value that a step leads to, nil if it is not there.
func child(n *node, step string) *node {
	if n.Kind == sequenceNode {
		i, err := strconv.Atoi(strings.Trim(step, "[]"))
		if err != nil || i < 0 || i >= len(n.Content) {
			return nil
		}
		return n.Content[i]
	}
	if n.Kind == mappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	}
	return nil
}
