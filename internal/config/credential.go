package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// credential returns the file that the service manager hands over in place of the
// one at path: the credential of that base name (LoadCredential=, systemd.exec(5)).
// So a secret can be root's alone, and `edged check` finds it where `edged serve`
// does. A blank credential is none, by which a unit says that there need not be such
// a file. Credentials are read once, before the process starts: a reload finds what
// they held then.
func credential(path string) string {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" || path == "" {
		return path
	}
	passed := filepath.Join(dir, filepath.Base(path))
	if raw, err := os.ReadFile(passed); errors.Is(err, fs.ErrNotExist) || err == nil && len(bytes.TrimSpace(raw)) == 0 {
		return path
	}
	return passed
}
