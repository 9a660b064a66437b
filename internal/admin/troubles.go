package admin

import (
	"fmt"
	"path/filepath"
	"slices"
)

// Trouble is one thing that an operator should see to.
type Trouble struct {
	Bad  bool   // users notice, or will within days
	Text string // in lower case, without a full stop
	Part string // of the page that says more, by its id; "" if there is none
}

// Troubles lists what is wrong with this edge itself, what users notice first. What
// partners do is not among it.
func (s *Status) Troubles() []Trouble {
	all := slices.Concat(s.poolTroubles(), s.certificateTroubles())
	for _, text := range s.Unwritten {
		all = append(all, Trouble{Text: text})
	}
	if len(s.Reloads) > 0 && s.Reloads[0].Err != "" {
		all = append(all, Trouble{Text: "the last " + s.Reloads[0].What + " was refused: what was in force stays", Part: "reloads"})
	}
	if n := s.wrong(); n > 0 {
		all = append(all, Trouble{Text: fmt.Sprintf("%s wrong with what the world sees of us", count(n, "thing is", "things are")), Part: "dns"})
	}
	slices.SortStableFunc(all, func(x, y Trouble) int {
		switch {
		case x.Bad == y.Bad:
			return 0
		case x.Bad:
			return -1
		}
		return 1
	})
	return all
}

func (s *Status) poolTroubles() []Trouble {
	var all []Trouble
	for i := range s.Pools {
		p := &s.Pools[i]
		down := 0
		for _, m := range p.Members {
			if !m.Up && !m.Drained {
				down++
			}
		}
		switch {
		case !p.Up():
			all = append(all, Trouble{Bad: true, Text: fmt.Sprintf("the %s pool %s is down", p.Proto, p.Name), Part: "pools"})
		case down > 0:
			all = append(all, Trouble{Text: fmt.Sprintf("%s of the %s pool %s down", count(down, "member", "members"), p.Proto, p.Name), Part: "pools"})
		}
	}
	return all
}

func (s *Status) certificateTroubles() []Trouble {
	var all []Trouble
	for _, c := range s.Certs {
		if tone := tone(left(s.Now, c.NotAfter)); tone != "ok" {
			all = append(all, Trouble{Bad: tone == "bad", Text: filepath.Base(c.File) + ": " + expiry(s.Now, c.NotAfter), Part: "certificates"})
		}
	}
	return all
}

func (s *Status) wrong() int {
	n := 0
	for _, c := range s.Checks {
		if c.State == "wrong" {
			n++
		}
	}
	return n
}

// count writes a number of things.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
