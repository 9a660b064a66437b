package store_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"edged/pkg/store"
)

// writerEnv makes this program a process that writes to the store in the folder
// until it is killed.
const writerEnv = "EDGED_TEST_STORE_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerEnv); dir != "" {
		fmt.Fprintln(os.Stdout, writeForEver(dir))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// content is all of a bucket.
func content(t *testing.T, s *store.Store, bucket string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := s.ForEach(bucket, func(k, v []byte) error {
		all[string(k)] = string(v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSurvivesReopening(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(s.Put("a", []byte("k"), []byte("old")), s.Put("a", []byte("k"), []byte("new")),
		s.Put("a", []byte("gone"), []byte("v")), s.Delete("a", []byte("gone")), s.Delete("none", []byte("k")),
		s.Put("b", []byte("k"), nil), s.Close())
	if err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	for bucket, want := range map[string]map[string]string{"a": {"k": "new"}, "b": {"k": ""}, "none": {}} {
		if diff := cmp.Diff(want, content(t, s, bucket)); diff != "" {
			t.Errorf("%s: %s", bucket, diff)
		}
	}
	for key, want := range map[string][]byte{"k": []byte("new"), "gone": nil} {
		if got, err := s.Get("a", []byte(key)); err != nil || !cmp.Equal(got, want) {
			t.Errorf("get %s: %q, %v, want %q", key, got, err, want)
		}
	}
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	s, refused := open(t, t.TempDir()), errors.New("no")
	err := s.Update(func(tx *store.Tx) error {
		return errors.Join(tx.Put("a", []byte("k"), []byte("v")), refused)
	})
	if !errors.Is(err, refused) {
		t.Errorf("error %v, want that of the function", err)
	}
	if got := content(t, s, "a"); len(got) != 0 {
		t.Errorf("stored %v", got)
	}
}

func TestForEachEndsWithAnError(t *testing.T) {
	s, stop := open(t, t.TempDir()), errors.New("enough")
	if err := errors.Join(s.Put("a", []byte("1"), nil), s.Put("a", []byte("2"), nil)); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := s.ForEach("a", func(_, _ []byte) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("%d calls, error %v", n, err)
	}
}

func TestFileIsPrivate(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	info, err := os.Stat(filepath.Join(dir, "edged.db"))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode %o, want 600", got)
	}
}

// The lock belongs to the open file, so that a second Open of this process is
// refused as that of another one is.
func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	_, err := store.Open(dir)
	want := "state file " + filepath.Join(dir, "edged.db") + ": another process uses it; is edged running already?"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestBadFiles(t *testing.T) {
	good := func(t *testing.T, dir string) []byte {
		t.Helper()
		s, err := store.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Put("a", []byte("k"), make([]byte, 100_000)), s.Close()); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(dir, "edged.db"))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	tests := map[string]func(raw []byte) []byte{
		"text":      func([]byte) []byte { return []byte(strings.Repeat("precious\n", 10_000)) },
		"zeros":     func(raw []byte) []byte { return make([]byte, len(raw)) },
		"short":     func(raw []byte) []byte { return raw[:100] },
		"a page":    func(raw []byte) []byte { return raw[:os.Getpagesize()+1] },
		"cut off":   func(raw []byte) []byte { return raw[:2*os.Getpagesize()] },
		"bad pages": func(raw []byte) []byte { clear(raw[2*os.Getpagesize():]); return raw },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bad := spoil(good(t, dir))
			path := filepath.Join(dir, "edged.db")
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			err := readAll(dir)
			if err == nil || !strings.HasPrefix(err.Error(), "state file "+path+" is damaged") || !strings.Contains(err.Error(), "move it away") {
				t.Errorf("error %v", err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := readAll(dir); err != nil {
				t.Errorf("with the file moved away: %v", err)
			}
		})
	}
}

// readAll is what damage shows at: some at opening, some only in a bucket.
func readAll(dir string) error {
	s, err := store.Open(dir)
	if err != nil {
		return err
	}
	err = s.ForEach("a", func(_, _ []byte) error { return nil })
	return errors.Join(err, s.Close())
}

// A file that somebody cuts off under the running process fails every call, and
// takes down nothing.
func TestFileCutOffWhileOpen(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put("a", []byte("k"), make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "edged.db"), 0); err != nil {
		t.Fatal(err)
	}
	for _, try := range []func() error{
		func() error { return s.ForEach("a", func(_, _ []byte) error { return nil }) },
		func() error { return s.Put("a", []byte("k"), nil) },
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), "is damaged") {
			t.Errorf("error %v", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestFoldersThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{
		filepath.Join(t.TempDir(), "none", "state"): "no such file or directory",
		file: "not a directory",
	} {
		if _, err := store.Open(dir); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s and %q", err, dir, want)
		}
	}
}

// TestFullDisk makes every write beyond the file's present end fail.
func TestFullDisk(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.Put("a", []byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	restore := limitFiles(t, sizeOf(t, filepath.Join(dir, "edged.db")))
	defer restore()
	for range 3 {
		if err := s.Put("a", []byte("big"), make([]byte, 1<<20)); err == nil {
			t.Fatal("written beyond the limit")
		}
	}
	if got, err := s.Get("a", []byte("k")); err != nil || string(got) != "v" {
		t.Errorf("get: %q, %v", got, err)
	}
	restore()
	if err := s.Put("a", []byte("big"), make([]byte, 1<<20)); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// A disk that is full at the very first start leaves nothing that looks damaged.
func TestFullDiskAtFirst(t *testing.T) {
	if !inOwnProcess(t) {
		return
	}
	dir := t.TempDir()
	restore := limitFiles(t, 1000)
	defer restore()
	if _, err := store.Open(dir); err == nil || !strings.Contains(err.Error(), "file too large") {
		t.Errorf("error %v", err)
	}
	restore()
	open(t, dir)
}

func sizeOf(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return uint64(info.Size())
}

// aloneEnv marks a process that runs one test only.
const aloneEnv = "EDGED_TEST_ALONE"

// inOwnProcess runs the test that calls it in a process of its own, and reports
// whether this is that process: limitFiles holds for everything a process
// writes, the notes of the test runner among it.
func inOwnProcess(t *testing.T) bool {
	t.Helper()
	if os.Getenv(aloneEnv) != "" {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), aloneEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// limitFiles makes writes beyond so many bytes of any file fail, until restore.
func limitFiles(t *testing.T, size uint64) (restore func()) {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	set := func(l syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			t.Fatal(err)
		}
	}
	set(syscall.Rlimit{Cur: size, Max: was.Max})
	return func() { set(was) }
}

// writeForEver prints each number that it has stored.
func writeForEver(dir string) error {
	s, err := store.Open(dir)
	if err != nil {
		return err
	}
	for n := uint64(0); ; n++ {
		key := binary.BigEndian.AppendUint64(nil, n*0x9e3779b97f4a7c15) // all over the tree
		if err := s.Put("numbers", key, binary.BigEndian.AppendUint64(nil, n)); err != nil {
			return err
		}
		fmt.Fprintln(os.Stdout, n)
	}
}

func TestKilledWhileWriting(t *testing.T) {
	dir := t.TempDir()
	for round := range 3 {
		last := killedWriter(t, dir, 20+round)
		s, err := store.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		stored := content(t, s, "numbers")
		for n := range last + 1 {
			key := binary.BigEndian.AppendUint64(nil, n*0x9e3779b97f4a7c15)
			if stored[string(key)] != string(binary.BigEndian.AppendUint64(nil, n)) {
				t.Errorf("%d is lost", n)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killedWriter starts a writer, kills it in the middle and returns the last
// number that it said was stored.
func killedWriter(t *testing.T, dir string, lines int) (last uint64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), writerEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for in := bufio.NewScanner(out); in.Scan(); {
		if last, err = strconv.ParseUint(in.Text(), 10, 64); err != nil {
			t.Fatal(in.Text())
		}
		if lines--; lines == 0 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the writer was not killed: %v", err)
	}
	return last
}
