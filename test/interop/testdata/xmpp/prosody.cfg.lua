-- Debian's configuration with other paths and ports; what follows "settings" is
-- the test's, or out of docs/pool-prosody.md.
run_as_root = true
daemonize = false
pidfile = "{{.Dir}}/prosody.pid"
data_path = "{{.Dir}}"
log = { { levels = { min = "debug" }, to = "console" } }

c2s_interfaces = { "{{addr .Clients}}" }
c2s_ports = { {{port .Clients}} }
s2s_interfaces = { "{{addr .Host}}" }
s2s_ports = { {{port .Host}} }
s2s_direct_tls_interfaces = { "{{addr .Direct}}" }
s2s_direct_tls_ports = { {{port .Direct}} }
-- Prosody asks s2s_ssl about STARTTLS only.
s2s_direct_tls_ssl = { certificate = "{{.Cert}}", key = "{{.Key}}", capath = "/nonexistent", cafile = "{{.Roots}}" }

modules_enabled = {
	"disco"; "roster"; "saslauth"; "tls";
	"blocklist"; "bookmarks"; "carbons"; "dialback"; "limits"; "pep"; "private"; "smacks"; "vcard4"; "vcard_legacy";
	"csi_simple"; "invites"; "invites_adhoc"; "invites_register"; "ping"; "register"; "time"; "uptime"; "version";
	"admin_adhoc"; "admin_shell"; "posix";
}
s2s_secure_auth = true
limits = { c2s = { rate = "10kb/s" }; s2sin = { rate = "30kb/s" } }
authentication = "internal_hashed"
archive_expires_after = "1w"

-- settings
{{.Settings}}

VirtualHost "{{.Domain}}"
	ssl = { certificate = "{{.Cert}}", key = "{{.Key}}" }
Component "conference.{{.Domain}}" "muc"
	ssl = { certificate = "{{.Cert}}", key = "{{.Key}}" }
