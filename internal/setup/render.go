package setup

import (
	"bytes"
	"embed"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"text/template"

	"edged/configs"
	"edged/pkg/domain"
)

//go:embed files/*.yaml
var templates embed.FS

// render fills in one of the templates.
func (v *values) render(name string) ([]byte, error) {
	t, err := template.New(name).Funcs(v.functions()).ParseFS(templates, "files/"+name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return nil, err
	}
	return explain(b.String(), map[string]string{"edged.yaml": configs.Edged, "policy.yaml": configs.Policy}[name])
}

// functions are what the templates can do.
func (v *values) functions() template.FuncMap {
	return template.FuncMap{
		"domains": flow[domain.Name], "addresses": flow[netip.Addr], "servers": flow[netip.AddrPort], "hosts": flow[string],
		// What is written behind a value that is only a guess.
		"guess": func(of string) string {
			if why := v.Guesses[of]; why != "" {
				return "   # a guess: " + why
			}
			return ""
		},
	}
}

// Outside is where partners reach us at a port.
func (v *values) Outside(port uint16) string {
	var all []netip.AddrPort
	for _, a := range v.External {
		all = append(all, netip.AddrPortFrom(a, port))
	}
	return flow(all)
}

// Inside is where pools reach us at a port, or at another one where that is taken
// outside.
func (v *values) Inside(port uint16) netip.AddrPort {
	switch {
	case v.Shared && port == sipPort:
		port = sipSharedPort
	case v.Shared && port == xmppPort:
		port = xmppSharedPort
	}
	return netip.AddrPortFrom(v.Internal, port)
}

// flow writes the items of a flow sequence. Those with a colon need quotes.
func flow[T any](items []T) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = fmt.Sprint(item)
		if strings.Contains(words[i], ":") {
			words[i] = strconv.Quote(words[i])
		}
	}
	return strings.Join(words, ", ")
}

// explained is a line that stands for the comment of the field at a path.
var explained = regexp.MustCompile(`(?m)^( *)# @(\S+)$`)

// explain puts the example's comments into a file.
func explain(text, example string) ([]byte, error) {
	known := comments(example)
	var missing []string
	text = explained.ReplaceAllStringFunc(text, func(line string) string {
		m := explained.FindStringSubmatch(line)
		comment, ok := known[m[2]]
		if !ok {
			missing = append(missing, m[2])
		}
		return m[1] + strings.Join(comment, "\n"+m[1])
	})
	if len(missing) > 0 {
		return nil, fmt.Errorf("the example does not explain %s", strings.Join(missing, ", "))
	}
	return []byte(text), nil
}

// key is a line of the example that begins with the name of a field, perhaps the
// first one of an item.
var key = regexp.MustCompile(`^( *(?:- )?)(\w+):`)

// comments returns, by the path of a field, the lines of comment right above it
// where it is written first. Indexes of lists are no part of a path.
func comments(example string) map[string][]string {
	type level struct {
		indent int
		path   string
	}
	all := make(map[string][]string)
	above := []level{{-1, ""}}
	var pending []string
	for line := range strings.Lines(example) {
		line = strings.TrimRight(line, "\n")
		if text := strings.TrimSpace(line); strings.HasPrefix(text, "#") {
			pending = append(pending, text)
			continue
		}
		if m := key.FindStringSubmatch(line); m != nil {
			for above[len(above)-1].indent >= len(m[1]) {
				above = above[:len(above)-1]
			}
			path := strings.TrimPrefix(above[len(above)-1].path+"."+m[2], ".")
			above = append(above, level{len(m[1]), path})
			if _, again := all[path]; !again && pending != nil {
				all[path] = pending
			}
		}
		pending = nil
	}
	return all
}
