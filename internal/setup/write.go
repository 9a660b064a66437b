package setup

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"edged/pkg/tlsid"
)

// Group is whom the files belong to beside root: the daemon's own.
const Group = "edged"

// Result is what was done.
type Result struct {
	Dir     string
	Written []string // paths of files
	Kept    []string // paths of files that were there
	Grouped bool     // Group may read the files, apart from the secret and the authority's key
	values  *values
	with    Options
}

// Write writes the files that are not there yet. It stops at the first error;
// what was written stays, and another run goes on from there.
func Write(o *Options, h *Host) (*Result, error) {
	v, err := plan(o, h)
	if err != nil {
		return nil, err
	}
	w := writer{dir: o.Dir, group: -1, result: &Result{values: v, with: *o}}
	if w.dir == "" {
		w.dir = SystemDir
	}
	w.result.Dir = w.dir
	if g, err := user.LookupGroup(Group); err == nil && os.Geteuid() == 0 {
		w.group, _ = strconv.Atoi(g.Gid) // a number on every Unix
		w.result.Grouped = true
	}
	return w.result, w.all(o, v)
}

// private is the mode of what its owner alone may read: root, from whom the unit
// takes it as a credential, or whoever tries edged out.
const private fs.FileMode = 0o600

// writer creates files in dir, and never anything else.
type writer struct {
	dir    string
	group  int // -1: the caller's own
	result *Result
}

// all writes everything.
func (w *writer) all(o *Options, v *values) error {
	for _, dir := range []string{w.dir, filepath.Join(w.dir, "tls")} {
		if err := w.folder(dir); err != nil {
			return err
		}
	}
	for _, name := range []string{"edged.yaml", "policy.yaml"} {
		text, err := v.render(name)
		if err != nil {
			return err
		}
		if err := w.file(name, text, 0o640); err != nil {
			return err
		}
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	if err := w.file("tls/edge.secret", []byte(hex.EncodeToString(secret)+"\n"), private); err != nil {
		return err
	}
	if o.Authority {
		return w.authority(v)
	}
	return nil
}

// authority writes the certificate and the key, which belong together: neither if
// one of them is there.
func (w *writer) authority(v *values) error {
	const cert, key = "tls/authority.crt", "tls/authority.key"
	haveCert, haveKey := w.has(cert), w.has(key)
	if haveCert && haveKey {
		w.result.Kept = append(w.result.Kept, filepath.Join(w.dir, cert), filepath.Join(w.dir, key))
		return nil
	}
	if haveCert || haveKey {
		return fmt.Errorf("of the authority's two files in %s, %s and %s, one is there and one is not; move it away for a new authority", w.dir, cert, key)
	}
	certPEM, keyPEM, err := tlsid.NewAuthorityPEM(v.Domains, time.Now())
	if err != nil {
		return err
	}
	return errors.Join(w.file(key, keyPEM, private), w.file(cert, certPEM, 0o644))
}

func (w *writer) has(name string) bool {
	_, err := os.Lstat(filepath.Join(w.dir, name))
	return err == nil
}

// folder makes dir and what is missing above it. One that is there stays as it is.
func (w *writer) folder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // as /etc is
		return err
	}
	if err := os.Mkdir(dir, 0o750); err != nil {
		return err
	}
	return w.own(dir, 0o750)
}

// file creates a file, unless something of that name is there.
func (w *writer) file(name string, content []byte, mode fs.FileMode) error {
	path := filepath.Join(w.dir, name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		w.result.Kept = append(w.result.Kept, path)
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = w.own(path, mode)
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	w.result.Written = append(w.result.Written, path)
	return nil
}

// own gives a new file or folder its group and mode, whatever the umask is.
func (w *writer) own(path string, mode fs.FileMode) error {
	if w.group >= 0 && mode != private {
		if err := os.Lchown(path, -1, w.group); err != nil {
			return err
		}
	}
	return os.Chmod(path, mode)
}
