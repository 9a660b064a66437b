// Package daemon is the life of the edged process: the only place where
// configuration, policy, certificates, DNS and the protocol servers meet.
//
// # The life
//
//	daemon.go    Start, Stop: build everything, listen, serve; and the reverse
//	material.go  what the configuration names in files: keys, roots, secret
//	state.go     configuration and material -> sipfed.State
//	listen.go    sockets, our own or handed over by systemd; fair.go, who may take how many
//	reload.go    the one goroutine that rebuilds: SIGHUP, admin socket, hourly
//	run.go       signals and systemd's notifications around it
//	metrics.go   what only the process knows: configuration, certificates, DNS
//	log.go       the log, in one of three forms; journald.go, and audit.go, its stream
//	             of verdicts and acts
//	status.go    what the status page shows: partners.go, rates.go, history.go
//	connections.go, trace.go, watch.go, consent.go  what else operators ask
//	probe.go     the same build, for walks without a gateway
//
// A reload builds everything anew beside what runs, and swaps one pointer only
// when all of it is good. Check reads and judges the same files, so that
// `edged check` accepts exactly what `edged serve` accepts.
package daemon
