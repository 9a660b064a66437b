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
	"syscall"
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
	w := writer{dir: o.Dir, group: group(), result: &Result{values: v, with: *o}}
	if w.dir == "" {
		w.dir = SystemDir
	}
	w.result.Dir, w.result.Grouped = w.dir, w.group >= 0
	err = w.all(o, v)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w; do this as root, or name another folder by --dir", err)
	}
	return w.result, err
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
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return errors.Join(own(f, 0o750, w.group), f.Close())
}

// file creates a file, unless something of that name is there.
func (w *writer) file(name string, content []byte, mode fs.FileMode) error {
	path := filepath.Join(w.dir, name)
	err := create(path, content, mode, w.group)
	switch {
	case errors.Is(err, fs.ErrExist):
		w.result.Kept = append(w.result.Kept, path)
		return nil
	case err == nil:
		w.result.Written = append(w.result.Written, path)
	}
	return err
}

// Create writes a file that the daemon is to read, and that others need not. The
// error is fs.ErrExist if there is one of that name.
func Create(path string, content []byte) error { return create(path, content, 0o640, group()) }

func create(path string, content []byte, mode fs.FileMode, group int) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, own(f, mode, group), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// own gives a new file or folder its group and mode, whatever the umask is. It goes by
// what is open: whoever can write to the folder may have put something else in its place.
func own(f *os.File, mode fs.FileMode, group int) error {
	if group >= 0 && mode != private {
		if err := f.Chown(-1, group); err != nil {
			return err
		}
	}
	return f.Chmod(mode)
}

// group is the number of Group, or -1 if there is none, or it is not ours to give
// files to.
func group() int {
	g, err := user.LookupGroup(Group)
	if err != nil || os.Geteuid() != 0 {
		return -1
	}
	id, err := strconv.Atoi(g.Gid)
	if err != nil {
		return -1
	}
	return id
}
