package verdict

// Rule is the configuration line that fired, written as a person finds it in the
// file: `blocked_domains: spam.example`. It is empty where no line decided.
type Rule string

// Verdict answers "may this cross?".
type Verdict struct {
	Reason Reason
	Rule   Rule
}

// Allow tells whether the message may cross.
func (v Verdict) Allow() bool { return v.Reason == Allowed }

// Final tells whether v is an answer at all; otherwise the policy has to be
// asked again with the domain's SRV targets among the facts.
func (v Verdict) Final() bool { return v.Reason != NeedsDNS }
