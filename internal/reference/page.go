package reference

import (
	"embed"
	"path/filepath"
	"strings"
	"text/template"

	"edged/internal/config"
	"edged/pkg/policy"
)

//go:embed pages
var pages embed.FS

// generated marks what nobody should edit.
const generated = "<!-- Made by `make reference`, from the comments in the source and internal/reference/pages. -->\n\n"

// Pages returns the pages of docs/reference by their names. The source tree is read
// at top, for its comments; commands describes the command line.
func Pages(top, commands string) (map[string]string, error) {
	c, err := readComments(filepath.Join(top, "internal/config"), filepath.Join(top, "pkg/policy"), filepath.Join(top, "pkg/limit"))
	if err != nil {
		return nil, err
	}
	return render(map[string]string{
		"Edged":    writeFields(config.Default(), c),
		"Policy":   writeFields(policy.Default(), c),
		"Commands": commands,
	})
}

// render puts what is generated into the pages.
func render(parts map[string]string) (map[string]string, error) {
	all, err := template.New("").Option("missingkey=error").ParseFS(pages, "pages/*")
	if err != nil {
		return nil, err
	}
	out := make(map[string]string)
	for _, t := range all.Templates() {
		var text strings.Builder
		if err := t.Execute(&text, parts); err != nil {
			return nil, err
		}
		out[t.Name()] = generated + text.String()
	}
	return out, nil
}
