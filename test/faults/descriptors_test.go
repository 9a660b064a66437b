package faults

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"edged/internal/lab/zone"
)

// mayOpen bounds the descriptors of the running process, by the soft limit, which
// can be raised again.
func (e *edge) mayOpen(n int) {
	e.Helper()
	if _, err := exec.LookPath("prlimit"); err != nil {
		e.Skip("prlimit is not installed")
	}
	out, err := exec.Command("prlimit", "--pid", strconv.Itoa(e.cmd.Process.Pid), fmt.Sprintf("--nofile=%d:", n)).CombinedOutput()
	if err != nil {
		e.Fatalf("prlimit: %v: %s", err, out)
	}
}

// files is how many descriptors the process has open.
func (e *edge) files() int {
	e.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", e.cmd.Process.Pid))
	if err != nil {
		e.Fatal(err)
	}
	return len(all)
}

// TestOutOfDescriptors: an edge that can open nothing any more serves over the
// connections it has, answers at once what would need another one, neither spins
// nor floods its log, and is whole within seconds when it may open files again.
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.dns.Set(func(z *zone.Zone) { z.TTL = 60 })
	e := b.edge()
	in, out := e.dial(north), e.dial(fe1)
	e.inwards(in, north, nina).want(200, patience)
	e.outwards(out, bob).want(200, patience)

	e.mayOpen(e.files())
	waiting := e.crowd(20) // they wait to be accepted
	e.logged("accept failed")
	before, began := e.cpu(), time.Now()
	for time.Since(began) < 3*time.Second {
		e.inwards(in, north, nina).want(200, soonish)
		e.outwards(out, bob).want(200, soonish)
		pause(100 * time.Millisecond)
	}
	if used := e.cpu() - before; used > time.Second {
		t.Errorf("used %v of processor time in 3s", used)
	}
	e.mayOpen(e.files() - 1)
	for _, host := range []string{first, second, fe2} {
		b.servers[host].cable.cut()
		b.servers[host].cable.mend()
	}
	e.mayOpen(10)                            // what became free is free no more
	e.outwards(out, bob).wantAnswer(soonish) // perhaps the edge tries what was cut
	for range 4 {                            // longer than a back-off would grow
		pause(time.Second)
		e.outwards(out, bob).want(503, soonish)
		for range 8 { // both members are meant, one is there
			e.inwards(in, north, nina).want(200, soonish)
		}
	}
	if n := e.count("accept failed"); n > 2 { // one for each listener
		t.Errorf("%d lines about failures to accept", n)
	}

	e.mayOpen(1000)
	defer waiting()
	e.answered("partners", 3*time.Second, func() *ask { return e.outwards(out, bob) })
	e.inwards(e.dial(north), north, nina).want(200, soonish)
	if n := e.metric("edged_sip_accept_errors_total"); n < 2 {
		t.Errorf("%v failures to accept are counted", n)
	}
	b.await("both members to be up", 3*time.Second, func() bool { return e.metric("edged_pool_member_up") == 2 })
}

// TestCrowdLeavesRoom: connections that others open do not take the descriptors
// that the edge needs for its own, however few it has, and it says so at the start.
func TestCrowdLeavesRoom(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.write("edged.yaml")
	e := b.launch("edged.yaml", "ulimit -n 64; exec %s serve -c %s")
	b.await("edged to be ready", patience, e.ready)
	const said = "limits.connections is 4096, but this process may open no more than 64 files: on each side 22 connections are accepted"
	e.logged(said)
	in, out := e.dial(north), e.dial(fe1)
	defer e.crowd(100)()
	b.await("the others to be turned away", patience, func() bool { return e.count("limit connections of 22 reached") >= 78 })
	e.inwards(in, north, nina).want(200, soonish)
	e.outwards(out, bob).want(200, soonish) // looked up and dialled just now
	e.outwards(out, nina).want(200, soonish)
}

// crowd opens connections of a partner to the edge, until it is told to release
// them.
func (e *edge) crowd(n int) (release func()) {
	e.Helper()
	var raws []net.Conn
	config := &tls.Config{Certificates: []tls.Certificate{e.servers[first].cert}, InsecureSkipVerify: true}
	for range n {
		raw, err := net.Dial("tcp", e.addr+":5061")
		if err != nil {
			e.Fatal(err)
		}
		raws = append(raws, raw)
		go func() { _ = tls.Client(raw, config).Handshake() }()
	}
	release = func() {
		for _, raw := range raws {
			raw.Close()
		}
	}
	e.Cleanup(release)
	return release
}
