package policy

import (
	"strings"

	"edged/pkg/verdict"
)

// Outcome is what became of one check.
type Outcome uint8

// The outcomes.
const (
	Passed Outcome = iota
	Failed
	Skipped // an earlier check had ended the question
)

// String returns "passed", "failed" or "skipped".
func (o Outcome) String() string { return word(o, []string{"passed", "failed", "skipped"}) }

// Step is one check on the way to a decision.
type Step struct {
	// Check is what was checked, in the words of the manual.
	Check string
	// Text says what came out and why, for people.
	Text string
	// Outcome is what became of the check. The step that ends in needs-dns
	// counts as failed.
	Outcome Outcome
	// Rule is the configuration line that Text is about; may be empty.
	Rule verdict.Rule
}

// checks are the headings of decide.go, in order.
func checks() []string {
	return []string{
		"organisation's switch", "local domain", "blocked domains", "partner entry",
		"identity", "access policy", "consent", "budget",
	}
}

// Explain is Decide with its trace: the same code on the same tables. It returns
// one step for each check, those skipped after a refusal too.
func (s *Set) Explain(q Question) (Decision, []Step) {
	t := &trace{}
	j := judge{set: s, q: q, trace: t}
	d := j.run()
	for _, check := range checks()[len(t.steps):] {
		t.steps = append(t.steps, Step{Check: check, Text: "decided before", Outcome: Skipped})
	}
	return d, t.steps
}

// trace records the checks of one question.
type trace struct{ steps []Step }

// note records the outcome of a check if somebody wants to know. The text is a
// constant; its {words} are only filled in here, so that Decide pays nothing.
func (j *judge) note(o Outcome, rule verdict.Rule, text string) {
	if j.trace == nil {
		return
	}
	j.trace.steps = append(j.trace.steps, Step{
		Check: checks()[len(j.trace.steps)], Text: j.wording().Replace(text), Outcome: o, Rule: rule,
	})
}

// wording fills in what the texts of the checks mention.
func (j *judge) wording() *strings.Replacer {
	p := j.partner
	if p == nil {
		p = &Partner{}
	}
	carried := j.q.Facts.Carried
	if carried == nil {
		carried = p
	}
	return strings.NewReplacer(
		"{carried}", carried.Kind.String(),
		"{local}", j.q.Local.String(), "{ours}", j.q.Local.Domain.String(),
		"{remote}", j.q.Remote.String(), "{protocol}", j.q.Protocol.String(),
		"{kind}", p.Kind.String(), "{proxy}", p.Proxy.String(), "{proof}", j.q.Facts.Proof.String(),
	)
}
