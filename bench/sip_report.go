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
	return []table{
		{"MESSAGE, 16 connections with 8 under way", few.of("sip-message"), saturated, all},
		{"MESSAGE, 64 connections with 4 under way", many.of("sip-message"), saturated, all},
		{"INVITE, ACK and BYE, 16 connections with 8 calls under way", few.of("sip-call"), saturated, all},
		{"200 MESSAGEs per second", "sip-calm 200/s", calm, all},
		{"2,000 MESSAGEs per second", "sip-calm 2000/s", calm, all},
		{"full handshakes, 8 at a time", "sip-handshake", []column{{"CPU ms", "%.2f", setup}, {"per second", "%.0f", rate}}, []subject{
			{edged, "edged"}, {kamailio, "Kamailio, one process for TCP"}, {answerer, "bare server: mutual TLS, and an answer"},
		}},
	}
}
