package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	account "os/user"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"edged/pkg/limit"
)

// readFile reads a whole file of at most the given number of bytes. Its errors
// name the file and what is wrong, nothing else.
func readFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	// The size is a hint: what is no plain file has none.
	var size int64
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	if size > most {
		return nil, tooLarge(path, most)
	}
	b := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	if _, err := b.ReadFrom(io.LimitReader(f, most+1)); err != nil {
		return nil, fileError(path, err)
	}
	if int64(b.Len()) > most {
		return nil, tooLarge(path, most)
	}
	return b.Bytes(), nil
}

func tooLarge(path string, most int64) error {
	return fmt.Errorf("%s is larger than %v", path, limit.Size(most))
}

// fileError words what the operating system says about path.
func fileError(path string, err error) error {
	var known *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s may not be read by user %s", path, whoami())
	case errors.As(err, &known):
		return fmt.Errorf("%s cannot be read: %w", path, known.Err)
	}
	return fmt.Errorf("%s cannot be read: %w", path, err)
}

// checkReadable tells why a file could not be read later.
func checkReadable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fileError(path, err)
	}
	if err := checkPlain(path, info.Mode()); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fileError(path, err)
	}
	return f.Close()
}

// checkPlain refuses what is not a file with content: opening a pipe would wait
// for ever.
func checkPlain(path string, mode fs.FileMode) error {
	switch {
	case mode.IsDir():
		return fmt.Errorf("%s is a folder; write a file", path)
	case !mode.IsRegular():
		return fmt.Errorf("%s is no plain file; write one", path)
	}
	return nil
}

// within resolves a path against the folder of the file that names it.
func within(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// resolveAll does so for a list in which System stands for no file.
func resolveAll(dir string, paths []string) {
	for i, p := range paths {
		if p != System {
			paths[i] = within(dir, p)
		}
	}
}

// hash identifies content: 12 hexadecimal digits.
func hash(content []byte, more ...[]byte) string {
	h := sha256.New()
	h.Write(content)
	for _, m := range more {
		h.Write(m)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// checkText finds what is no text. The YAML library would refuse it too, but
// could not say where.
func checkText(raw []byte) *Problem {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c >= ' ' && c < 0x7F || c == '\n' || c == '\r' || c == '\t' {
			i++
			continue
		}
		r, size := utf8.DecodeRune(raw[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return textProblem(raw, i, "this is no UTF-8; save the file with that encoding")
		case r < 0xA0 && r != 0x85:
			return textProblem(raw, i, fmt.Sprintf("control character %U; remove it", r))
		}
		i += size
	}
	return nil
}

func textProblem(raw []byte, i int, text string) *Problem {
	before := raw[:i]
	start := bytes.LastIndexByte(before, '\n') + 1
	return &Problem{Line: bytes.Count(before, []byte("\n")) + 1, Column: utf8.RuneCount(before[start:]) + 1, Text: text}
}

// whoami is whom this process runs as, and what helps: for edged serve it is another one
// than for who tries edged check.
func whoami() string {
	name := strconv.Itoa(os.Geteuid())
	if u, err := account.Current(); err == nil {
		name = u.Username
	}
	if name == "edged" {
		return name + "; chgrp edged and chmod 640 let it"
	}
	return name + "; do this as root"
}

// unreadable is the problem of a file of which nothing could be read.
func unreadable(path string, err error) Problem {
	text := strings.TrimPrefix(err.Error(), path+" ") // which comes first anyway
	if text == "does not exist" {
		text += "; edged init writes one, and --config names another"
	}
	return Problem{File: path, Text: text}
}
