package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadSecret(t *testing.T) {
	const raw = "thirty-two bytes of plain text !!"
	hexA, hexB := strings.Repeat("61", 32), strings.Repeat("62", 40)
	a, b := strings.Repeat("a", 32), strings.Repeat("b", 40)
	tests := []struct {
		name, content     string
		current, previous string
		bad               string // part of the error
	}{
		{"hexadecimal", hexA + "\n", a, "", ""},
		{"two lines", hexA + "\r\n" + hexB + "\r\n", a, b, ""},
		{"no line end", hexB, b, "", ""},
		{"base64", "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=\n", a, "", ""},
		{"plain text", raw + "\n\n", raw, "", ""},
		{"short hexadecimal", a + "\n", "", "", "16 bytes are too few"},
		{"plain letters", strings.Repeat("x", 32), strings.Repeat("x", 32), "", ""},
		{"empty", "", "", "", "line 1: 0 bytes"},
		{"previous too short", hexA + "\nold\n", "", "", "line 2: 3 bytes"},
		{"blank line between", hexA + "\n\n" + hexB, "", "", "3 lines"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			current, previous, err := ReadSecret(path)
			if tt.bad != "" {
				if err == nil || !strings.Contains(err.Error(), tt.bad) {
					t.Errorf("error %v, want one with %q", err, tt.bad)
				}
				return
			}
			if err != nil || string(current) != tt.current || string(previous) != tt.previous {
				t.Errorf("%q, %q, %v", current, previous, err)
			}
		})
	}
}

func TestReadSecretNeverShowsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadSecret(path); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("error %v", err)
	}
}
