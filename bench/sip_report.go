package main

// sipTargets are the budgets of edged's SIP half.
func sipTargets() []target {
	const few, many = "sip-message 16x8", "sip-message 64x4"
	return []target{
		{"CPU per MESSAGE against Kamailio's (aim 0.5)", "%.2f", 0.65, false, ratio(few, cpu, kamailio)},
		{"CPU per MESSAGE against the byte relay's", "%.2f", 2, false, ratio(few, cpu, copier)},
		{"MESSAGEs per second at full speed against Kamailio's (aim 2)", "%.2f", 1.4, true, ratio(few, rate, kamailio)},
		{"the same with 64 connections: CPU against Kamailio's", "%.2f", 0.65, false, ratio(many, cpu, kamailio)},
		{"there: CPU against the byte relay's", "%.2f", 2, false, ratio(many, cpu, copier)},
		{"there: MESSAGEs per second against Kamailio's", "%.2f", 1.4, true, ratio(many, rate, kamailio)},
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
	all := []subject{{edged, "edged"}, {kamailio, "Kamailio"}, {copier, "TLS to TLS byte copy"}}
	return []table{
		{"MESSAGE, 16 connections with 8 under way", "sip-message 16x8", saturated, all},
		{"MESSAGE, 64 connections with 4 under way", "sip-message 64x4", saturated, all},
	}
}
