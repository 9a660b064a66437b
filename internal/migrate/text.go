package migrate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf16"
	"unicode/utf8"
)

// maxFile bounds an export: a million users with all their properties fit.
const maxFile = 1 << 30

// readText reads a file as Windows writes text: UTF-8 or UTF-16, with or without a
// byte order mark.
func readText(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(raw) > maxFile {
		return "", fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	text, err := decode(raw)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

// decode finds out which encoding it is. Without a mark, text that begins with an
// ASCII character shows by its zero bytes which UTF-16 it is.
func decode(raw []byte) (string, error) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(raw, []byte{0xFF, 0xFE}):
		order, raw = binary.LittleEndian, raw[2:]
	case bytes.HasPrefix(raw, []byte{0xFE, 0xFF}):
		order, raw = binary.BigEndian, raw[2:]
	case len(raw) > 1 && raw[0] != 0 && raw[1] == 0:
		order = binary.LittleEndian
	case len(raw) > 1 && raw[0] == 0 && raw[1] != 0:
		order = binary.BigEndian
	default:
		raw = bytes.TrimPrefix(raw, []byte("\uFEFF"))
		if !utf8.Valid(raw) {
			return "", errors.New("this is neither UTF-8 nor UTF-16; export it with -Encoding UTF8")
		}
		return string(raw), nil
	}
	if len(raw)%2 != 0 {
		return "", errors.New("this UTF-16 ends in the middle of a character; export it again")
	}
	units := make([]uint16, len(raw)/2)
	for i := range units {
		units[i] = order.Uint16(raw[2*i:])
	}
	return string(utf16.Decode(units)), nil
}
