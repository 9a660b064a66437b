package config

import (
	"path/filepath"
	"strconv"
	"strings"

	"edged/pkg/policy"
)

// resolveSource makes every path in s relative to the process instead of to dir.
func resolveSource(s *policy.Source, dir string) {
	for _, r := range rootsOf(s) {
		resolveAll(dir, r.files)
	}
	s.GrantsFile = within(dir, s.GrantsFile)
	for i := range s.AccessPolicies.Sites {
		f := &s.AccessPolicies.Sites[i].UsersFile
		*f = within(dir, *f)
	}
}

// entryRoots are the `roots` of one entry of policy.yaml.
type entryRoots struct {
	path  string
	files []string
}

// rootsOf returns them all.
func rootsOf(s *policy.Source) []entryRoots {
	var all []entryRoots
	for i := range s.AllowedDomains {
		all = append(all, entryRoots{item("allowed_domains", i) + ".roots", s.AllowedDomains[i].Roots})
	}
	for i := range s.Providers {
		all = append(all, entryRoots{item("providers", i) + ".roots", s.Providers[i].Roots})
	}
	for i := range s.XMPPPartners {
		all = append(all, entryRoots{item("xmpp_partners", i) + ".roots", s.XMPPPartners[i].Roots})
	}
	return all
}

// checkSourceFiles checks that the roots of partners are there.
func (l *loading) checkSourceFiles() {
	v := validator{document: l.policy, report: &l.report, draft: l.draft}
	for _, r := range rootsOf(&l.out.Source) {
		for i, f := range r.files {
			if f != System {
				v.file(item(r.path, i), f, "put the certificate of the authority there")
			}
		}
	}
}

// readLists reads the CSV files that policy.yaml names, and returns their
// content.
func (l *loading) readLists() [][]byte {
	s := &l.out.Source
	users := newUserReader(&l.report)
	var contents [][]byte
	if raw := l.readList("grants_file", s.GrantsFile); raw != nil {
		s.Grants = users.grants(s.GrantsFile, raw)
		contents = append(contents, raw)
	}
	for i := range s.AccessPolicies.Sites {
		site := &s.AccessPolicies.Sites[i]
		if raw := l.readList(sitePath(i), site.UsersFile); raw != nil {
			site.Users = users.users(site.UsersFile, raw)
			contents = append(contents, raw)
		}
	}
	return contents
}

func sitePath(i int) string { return item("access_policies.sites", i) + ".users_file" }

// readList reads the file that path names; nil if there is none.
func (l *loading) readList(path, file string) []byte {
	if file == "" {
		return nil
	}
	raw, err := readFile(file, maxCSV)
	if err != nil {
		l.at(l.policy, path, err.Error())
		return nil
	}
	l.report.begin(file)
	return raw
}

// compile turns policy.yaml into the set that decides.
func (l *loading) compile() {
	set, bad := policy.Compile(l.out.Source, l.out.Config.Local())
	for _, p := range bad {
		// A row of a CSV file has no path: what is wrong with one is no consequence of
		// another.
		if q := l.place(p); q.Path == "" || !l.report.hit(q.File, q.Path) {
			l.report.add(q)
		}
	}
	if set == nil {
		return
	}
	l.out.Policy = set
	for _, w := range set.Warnings() {
		l.out.Warnings = append(l.out.Warnings, l.place(w))
	}
}

// place finds the line of a problem of the policy: in policy.yaml, in the CSV file
// that its path ends in, `grants_file:17`, or, if it is about our own domains, in
// edged.yaml.
func (l *loading) place(p policy.Problem) Problem {
	if encloses("domains", p.Path) {
		return l.edged.problem(p.Path, p.Text)
	}
	path, number, ok := strings.Cut(p.Path, "_file:")
	line, err := strconv.Atoi(number)
	if !ok || err != nil {
		return l.policy.problem(p.Path, p.Text)
	}
	n := locate(l.policy.root, path+"_file")
	if n == nil {
		return l.policy.problem(p.Path, p.Text)
	}
	return Problem{File: within(filepath.Dir(l.policy.path), n.Value), Line: line, Text: p.Text}
}
