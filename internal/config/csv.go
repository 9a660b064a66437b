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
	// domains remembers what has been read: in a million rows they are few.
	domains map[string]domain.Name
}

func newUserReader(r *report) *userReader {
	return &userReader{report: r, domains: make(map[string]domain.Name)}
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
			all = append(all, policy.Grant{User: user, Policy: second, Line: number})
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

// user reads one user, and reports it if it is none.
func (u *userReader) user(file string, line int, s string) (policy.User, bool) {
	user, err := u.parse(s)
	if err != nil {
		u.bad(file, line, "%v", err)
	}
	return user, err == nil
}

// parse is policy.ParseUser, faster for what nearly all rows look like: a name
// that is its own canonical form, in a domain that has been seen before.
func (u *userReader) parse(s string) (policy.User, error) {
	if len(s) > maxUser {
		return policy.User{}, fmt.Errorf("%s is too long for a user; write one such as alice@contoso.com", clip(s))
	}
	at := strings.LastIndexByte(s, '@')
	if at > 0 && plainLocal(s[:at]) {
		if d, ok := u.domains[s[at+1:]]; ok {
			return policy.User{Local: s[:at], Domain: d}, nil
		}
	}
	user, err := policy.ParseUser(s)
	if err == nil {
		u.domains[s[at+1:]] = user.Domain
	}
	return user, err
}

// maxUser keeps error messages short: no user has that many octets.
const maxUser = 1023 + len("@") + 253

// plainLocal tells whether local is canonical at first sight.
func plainLocal(local string) bool {
	for i := range len(local) {
		c := local[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return len(local) <= 64
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
