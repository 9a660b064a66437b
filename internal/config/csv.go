package config

import (
	"bytes"
	"fmt"
	"strings"

	"edged/pkg/domain"
	"edged/pkg/limit"
	"edged/pkg/policy"
)

// maxCSV bounds a CSV file: some ten million rows.
const maxCSV = int64(limit.GiB) / 2

// userReader reads the CSV files that policy.yaml names. A file may begin with a
// header row. Fields may stand in double quotes; none of them can contain a comma
// or a quote.
type userReader struct {
	report *report
	// domains and words remember what has been seen: in a million rows they are few.
	domains map[string]domain.Name
	words   map[string]string
}

func newUserReader(r *report) *userReader {
	return &userReader{report: r, domains: make(map[string]domain.Name), words: make(map[string]string)}
}

// grants reads `user,policy` rows.
func (u *userReader) grants(file string, raw []byte) []policy.Grant {
	text := string(raw)
	all := make([]policy.Grant, 0, bytes.Count(raw, []byte("\n"))+1)
	eachLine(text, func(number int, line string) {
		first, second, ok := strings.Cut(line, ",")
		first, second = unquote(first), unquote(second)
		if number == 1 && strings.EqualFold(first, "user") && strings.EqualFold(second, "policy") {
			return
		}
		if !ok || second == "" || strings.ContainsAny(second, ",\"") {
			u.bad(file, number, "%s is no row of two fields; write user,policy such as alice@contoso.com,sales", clip(line))
			return
		}
		if user, ok := u.user(file, number, first); ok {
			all = append(all, policy.Grant{User: user, Policy: u.word(second), Line: number})
		}
	})
	return all
}

// users reads rows of one user each.
func (u *userReader) users(file string, raw []byte) []policy.User {
	all := make([]policy.User, 0, bytes.Count(raw, []byte("\n"))+1)
	eachLine(string(raw), func(number int, line string) {
		line = unquote(line)
		if number == 1 && strings.EqualFold(line, "user") {
			return
		}
		if user, ok := u.user(file, number, line); ok {
			all = append(all, user)
		}
	})
	return all
}

// user reads one user, and reports it if it is none. It is policy.ParseUser with
// a memory for domains, which cost most.
func (u *userReader) user(file string, line int, s string) (policy.User, bool) {
	user, err := u.parse(s)
	if err != nil {
		u.bad(file, line, "%v", err)
	}
	return user, err == nil
}

func (u *userReader) parse(s string) (policy.User, error) {
	at := strings.LastIndexByte(s, '@')
	if at <= 0 {
		return policy.ParseUser(s)
	}
	d, ok := u.domains[s[at+1:]]
	if !ok {
		user, err := policy.ParseUser(s)
		if err == nil {
			u.domains[s[at+1:]] = user.Domain
		}
		return user, err
	}
	return policy.CanonicalLocalpart(s[:at], d)
}

// word returns one copy of equal strings, so that the file itself can be freed.
func (u *userReader) word(s string) string {
	if w, ok := u.words[s]; ok {
		return w
	}
	w := strings.Clone(s)
	u.words[w] = w
	return w
}

func (u *userReader) bad(file string, line int, format string, args ...any) {
	u.report.add(Problem{File: file, Line: line, Text: fmt.Sprintf(format, args...)})
}

// eachLine calls yield for every line that is not blank, numbered from 1, without
// its end, white space around it, and a byte order mark before it.
func eachLine(text string, yield func(number int, line string)) {
	text = strings.TrimPrefix(text, "\uFEFF")
	for number := 1; text != ""; number++ {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		if line = strings.TrimSpace(line); line != "" {
			yield(number, line)
		}
	}
}

// unquote takes white space and the quotes of a spreadsheet off a field.
func unquote(field string) string {
	field = strings.TrimSpace(field)
	if n := len(field); n >= 2 && field[0] == '"' && field[n-1] == '"' {
		return field[1 : n-1]
	}
	return field
}
