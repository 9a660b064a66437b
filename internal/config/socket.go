package config

import "path/filepath"

// AdminSocket returns the admin.socket of edged.yaml at path, "" if there is none.
// Whatever else is wrong with the file does not matter, nor what it names: the
// gateway that runs with an older one is to be told all the same.
func AdminSocket(path string) (string, error) {
	l := loading{out: &Loaded{Config: Default()}}
	raw, err := readFile(path, maxYAML)
	if err != nil {
		l.report.add(unreadable(path, err))
		return "", l.report.err()
	}
	if d := l.parse(path, raw, &l.out.Config); d.root == nil || l.report.hit(path, "admin.socket") {
		return "", l.report.err()
	}
	return within(filepath.Dir(path), l.out.Config.Admin.Socket), nil
}
