package main

// sipTargets are the budgets of edged's SIP half.
func sipTargets() []target {
	few, many := few.of("sip-message"), many.of("sip-message")
	call := shape{16, 8}.of("sip-call")
	return []target{
		{"CPU per MESSAGE against Kamailio's (aim 0.5)", "%.2f", 0.65, false, ratio(few, cpu, kamailio)},
		{"CPU per MESSAGE against the byte relay's", "%.2f", 2, false, ratio(few, cpu, copier)},
		{"MESSAGEs per second at full speed against Kamailio's (aim 2)", "%.2f", 1.4, true, ratio(few, rate, kamailio)},
		{"the same with 64 connections: CPU against Kamailio's", "%.2f", 0.65, false, ratio(many, cpu, kamailio)},
		{"there: CPU against the byte relay's", "%.2f", 2, false, ratio(many, cpu, copier)},
		{"there: MESSAGEs per second against Kamailio's", "%.2f", 1.4, true, ratio(many, rate, kamailio)},
		{"CPU per call against Kamailio's (aim 0.5)", "%.2f", 0.7, false, ratio(call, cpu, kamailio)},
		{"p99 at 2,000 MESSAGEs per second against the byte relay's", "%.2f", 1.5, false, ratio("sip-calm 2000/s", p99, copier)},
		{"CPU per handshake against Kamailio's", "%.2f", 0.4, false, ratio("sip-handshake", setup, kamailio)},
		{"memory per idle connection, 5,000 of them, against the bare sink's", "%.2f", 1.1, false, ratio("sip-idle 5000", perConn, dropper)},
		{"there: KiB (aim)", "%.0f", 28, false, single("sip-idle 5000", perConn)},
		{"CPU per MESSAGE with 10,000 partners, 1,000 of them connected, against 10 and 1", "%.2f", 1.1, false, growth()},
		{"p99 beside the hostile crowd against the byte relay's", "%.2f", 1.5, false, ratio(hostilePart, p99, copier)},
		{"messages lost of 128 onto a cold connection", "%.0f", 0, false, single("sip-burst", lost)},
	}
}

func sipTables() []table {
	type subject = struct{ who, title string }
	saturated := []column{
		{"per second", "%.0f", rate},
		{"CPU s per 10,000", "%.3f", cpu},
		{"sender's and sink's", "%.3f", ours},
		{"MiB", "%.0f", rss},
	}
	calm := []column{{"p50 ms", "%.2f", p50}, {"p99 ms", "%.2f", p99}, {"CPU s per 10,000", "%.2f", cpu}}
	all := []subject{{edged, "edged"}, {kamailio, "Kamailio"}, {copier, "TLS to TLS byte copy"}}
	idle := []column{{"KiB for each", "%.1f", perConn}, {"MiB", "%.0f", rss}}
	silent := []subject{{edged, "edged"}, {kamailio, "Kamailio, one process for TCP"}, {dropper, "bare sink: mutual TLS, then a read of 4 KiB"}}
	tables := []table{
		{"MESSAGE, 16 connections with 8 under way", few.of("sip-message"), saturated, all},
		{"MESSAGE, 64 connections with 4 under way", many.of("sip-message"), saturated, all},
		{"INVITE, ACK and BYE, 16 connections with 8 calls under way", few.of("sip-call"), saturated, all},
		{"200 MESSAGEs per second", "sip-calm 200/s", calm, all},
		{"2,000 MESSAGEs per second", "sip-calm 2000/s", calm, all},
		{"full handshakes, 8 at a time", "sip-handshake", []column{{"CPU ms", "%.2f", setup}, {"with ML-KEM", "%.2f", hybrid}, {"per second", "%.0f", rate}}, []subject{
			{edged, "edged"}, {kamailio, "Kamailio, one process for TCP"}, {answerer, "bare server: mutual TLS, and an answer"},
		}},
		{"128 messages at once onto a cold connection", "sip-burst", []column{{"lost", "%.0f", lost}, {"answers too many", "%.0f", surplus}}, []subject{
			{edged, "edged, to a partner found by DNS"}, {kamailio, "Kamailio, one process for TCP, to a known address"},
		}},
		{"1,000 idle connections", "sip-idle 1000", idle, silent},
		{"5,000 idle connections", "sip-idle 5000", idle, silent},
	}
	hostile := table{"500 messages/s beside the hostile crowd and a flood of 5,000/s", hostilePart, []column{
		{"p50 ms", "%.2f", p50},
		{"p99 ms", "%.2f", p99},
		{"MiB before", "%.0f", before},
		{"highest", "%.0f", during},
		{"after", "%.0f", after},
		{"flood served, %", "%.0f", served},
		{"new connection, ms", "%.1f", newcomer},
	}, []subject{{edged, "edged"}, {copier, "TLS to TLS byte copy, beside a sink of bytes"}}}
	alone := table{"the same before the crowd and the flood", alonePart, calm[:2], hostile.rows}
	returning := table{"the same while those whom edged has thrown out after ten seconds come back", returnPart, calm[:2], hostile.rows}
	return append(tables, scaleTable(), hostile, alone, returning)
}

func scaleTable() table {
	t := table{"MESSAGE among few partners and among many", scalePart, []column{
		{"per second", "%.0f", rate},
		{"CPU s per 10,000", "%.3f", cpu},
		{"p50 ms at 2,000/s", "%.2f", p50},
		{"p99 ms", "%.2f", p99},
		{"MiB", "%.0f", rss},
	}, nil}
	add := func(who string, all []scale) {
		for _, c := range all {
			t.rows = append(t.rows, struct{ who, title string }{c.of(who), c.title(who)})
		}
	}
	add(edged, scales())
	add(copier, floors())
	return t
}

// growth is what the same load costs among the many against among the few.
func growth() func(*figures) (float64, bool) {
	all := scales()
	return both(scalePart, cpu, all[2].of(edged), all[0].of(edged), func(a, b float64) float64 { return a / b })
}
