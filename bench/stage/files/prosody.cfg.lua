-- Debian's server as it comes, without the limits that would slow it down.
run_as_root = true
data_path = "{{.Dir}}/prosody-data"
pidfile = "{{.Dir}}/prosody.pid"
log = { warn = "*console" }
modules_enabled = { "tls", "saslauth" }
modules_disabled = { "c2s" }
interfaces = { "{{.Host}}" }
s2s_ports = { 5269 }
c2s_ports = {}
c2s_direct_tls_ports = {}
s2s_direct_tls_ports = {}
http_ports = {}
https_ports = {}
component_interfaces = { "{{.Host}}" }
component_ports = { 5347 }
s2s_require_encryption = true
s2s_secure_auth = true
ssl = { certificate = "{{.Dir}}/prosody.crt", key = "{{.Dir}}/prosody.key" }
s2s_ssl = { capath = "/nonexistent", cafile = "{{.Dir}}/public-ca.crt" }
unbound = { resolvconf = false, hoststxt = false, forward = "{{.DNS}}",
	options = { ["do-not-query-localhost:"] = "no" } }

VirtualHost "prosody.example"
Component "{{.Far}}"
	component_secret = "{{call .Secret .Far}}"
Component "{{.Own}}"
	component_secret = "{{call .Secret .Own}}"
