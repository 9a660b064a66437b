package policy_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"edged/pkg/domain"
	"edged/pkg/policy"
)

// The size that the budgets are stated for: a decision in 300 ns without
// allocation, a policy compiled in 2 s.
const (
	manyDomains = 100_000
	manyBlocked = 1_000
	manyGrants  = 1_000_000
)

func largeSource() (policy.Source, []policy.Local) {
	src := policy.Default()
	src.Federation.Enabled = true
	ours := domain.MustParse("contoso.com")
	for i := range manyDomains {
		d := domain.MustParse(fmt.Sprintf("partner%d.example", i))
		src.AllowedDomains = append(src.AllowedDomains, policy.AllowedDomain{Domain: policy.Pattern{Name: d}})
	}
	for i := range manyBlocked { // so that domains above a name matter
		d := domain.MustParse(fmt.Sprintf("spam%d.example", i))
		src.BlockedDomains = append(src.BlockedDomains, policy.BlockedDomain{Domain: d})
	}
	src.AccessPolicies.Users = []policy.UserPolicy{
		{Name: "sales", Policy: &policy.AccessPolicy{Federation: true}},
		{Name: "none", Policy: &policy.AccessPolicy{}},
	}
	for i := range manyGrants {
		u := policy.User{Local: fmt.Sprintf("user%d", i), Domain: ours}
		src.Grants = append(src.Grants, policy.Grant{User: u, Policy: "sales", Line: i + 1})
	}
	return src, []policy.Local{{Domain: ours, SIP: true, XMPP: true}}
}

func BenchmarkCompile(b *testing.B) {
	src, local := largeSource()
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := policy.Compile(src, local); len(problems) > 0 {
			b.Fatal(problems[0])
		}
	}
}

// BenchmarkDecide asks about another pair each time. A thousand pairs talking at
// once keep their part of the tables in the caches, as traffic does; with 65,536
// of them every look-up, and the question itself, comes from main memory.
func BenchmarkDecide(b *testing.B) {
	src, local := largeSource()
	set, problems := policy.Compile(src, local)
	if len(problems) > 0 {
		b.Fatal(problems[0])
	}
	for _, pairs := range []int{1, 1 << 10, 1 << 16} {
		questions := largeQuestions(src, pairs)
		b.Run(fmt.Sprintf("pairs=%d", pairs), func(b *testing.B) {
			runtime.GC() // else the collector shares the caches while it marks the tables
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if d := set.Decide(questions[i&(pairs-1)]); !d.Allow() {
					b.Fatal(d)
				}
			}
		})
	}
}

func largeQuestions(src policy.Source, pairs int) []policy.Question {
	anchors := []string{""}
	questions := make([]policy.Question, pairs)
	for i := range questions {
		remote := src.AllowedDomains[i*7919%manyDomains].Domain.Name
		host := []domain.Name{domain.MustParse("sip." + remote.String())}
		questions[i] = policy.Question{
			Local: policy.User{
				Local:  strings.Clone(src.Grants[i*7919%manyGrants].User.Local), // as if just read
				Domain: domain.MustParse("contoso.com"),
			},
			Remote: domain.MustParse(strings.Clone(remote.String())),
			Facts:  policy.Facts{Names: host, Anchors: anchors, SRV: host, SRVKnown: true},
		}
	}
	return questions
}
