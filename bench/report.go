package main

import "fmt"

func (s *suite) report(page string) error {
	for f, v := range s.figures.taken {
		fmt.Fprintln(s.out, f, v)
	}
	return nil
}
