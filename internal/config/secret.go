package config

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// MinSecret is the least number of bytes in a secret: as many as the hash that
// keys are derived with puts out.
const MinSecret = 32

// ReadSecret reads a secret file. Its first line is the current secret, a second
// one the previous, which is still accepted while the hosts of an edge pool
// change over; previous is nil if there is none. A line is hexadecimal, base64,
// or plain text, and stands for 32 bytes at least.
//
// A file that everybody may read is refused. Errors never show the content.
func ReadSecret(path string) (current, previous []byte, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fileError(path, err)
	}
	if err := checkSecretMode(path, info.Mode()); err != nil {
		return nil, nil, err
	}
	raw, err := readFile(path, 64<<10)
	if err != nil {
		return nil, nil, err
	}
	lines := bytes.Split(bytes.TrimRight(raw, "\r\n"), []byte("\n"))
	if len(lines) > 2 {
		return nil, nil, fmt.Errorf("%s has %d lines; write the current secret and, if there is one, the previous", path, len(lines))
	}
	if current, err = parseSecret(lines[0]); err != nil {
		return nil, nil, fmt.Errorf("%s, line 1: %w", path, err)
	}
	if len(lines) == 2 {
		if previous, err = parseSecret(lines[1]); err != nil {
			return nil, nil, fmt.Errorf("%s, line 2: %w", path, err)
		}
	}
	return current, previous, nil
}

func checkSecretMode(path string, mode fs.FileMode) error {
	if err := checkPlain(path, mode); err != nil {
		return err
	}
	if mode.Perm()&0o007 != 0 {
		return fmt.Errorf("%s is open to every user of this host (mode %04o); run chmod o= on it, or make a new secret", path, mode.Perm())
	}
	return nil
}

// errShort says how to make a secret.
var errShort = errors.New("write at least 32 random bytes, for example what openssl rand -hex 32 prints")

// parseSecret reads one line. Text that is hexadecimal throughout is taken as
// such even if it is too short then: half of the bytes its owner believes in
// would be missing.
func parseSecret(line []byte) ([]byte, error) {
	line = bytes.TrimSpace(line)
	if b, err := hex.DecodeString(string(line)); err == nil {
		return longEnough(b)
	}
	if b, err := base64.StdEncoding.DecodeString(string(line)); err == nil && len(b) >= MinSecret {
		return b, nil
	}
	return longEnough(line)
}

func longEnough(b []byte) ([]byte, error) {
	if len(b) < MinSecret {
		return nil, fmt.Errorf("%d bytes are too few; %w", len(b), errShort)
	}
	return b, nil
}
