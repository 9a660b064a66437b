package config

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"edged/pkg/limit"
)

// TestEveryFieldReloadsOrRestarts proves that changes has a row for every field
// of Config, and no other.
func TestEveryFieldReloadsOrRestarts(t *testing.T) {
	var rows []string
	for _, c := range changes() {
		rows = append(rows, c.path)
	}
	if diff := cmp.Diff(leaves(reflect.TypeFor[Config](), ""), rows); diff != "" {
		t.Errorf("(-fields +rows):\n%s", diff)
	}
}

// leaves lists the fields of a struct in order, down to lists, limits and values.
func leaves(t reflect.Type, path string) []string {
	var all []string
	for _, f := range fieldsOf(t) {
		below := f.name
		if path != "" {
			below = path + "." + f.name
		}
		field := t.FieldByIndex(f.index).Type
		if field.Kind() == reflect.Struct && !isLeaf(field) && field != reflect.TypeFor[limit.Bounds]() {
			all = append(all, leaves(field, below)...)
		} else {
			all = append(all, below)
		}
	}
	return all
}

func TestRestartNeeded(t *testing.T) {
	at := func(s string) Address { return Address{Addr: netip.MustParseAddrPort(s)} }
	tests := []struct {
		name string
		edit func(*Config)
		want []string
	}{
		{"nothing", func(*Config) {}, nil},
		{"what reloads", func(c *Config) {
			c.Log.Level, c.SecretFile, c.Policy, c.SIP.Pools = "debug", "other", "other.yaml", []Pool{{Name: "new"}}
			c.Limits.Connections++
		}, nil},
		{"an empty list is no list", func(c *Config) { c.SIP.External.Listen = []Listen{} }, nil},
		{"a listener", func(c *Config) { c.SIP.Internal.Listen = []Listen{{Address: at("127.0.0.1:5061")}} }, []string{"sip.internal.listen"}},
		{"who may speak PROXY to it", func(c *Config) { c.XMPP.External.DirectTLS = []Listen{{ProxyProtocol: []Network{{}}}} }, []string{"xmpp.external.direct_tls"}},
		{"several, in the order of the file", func(c *Config) {
			c.Admin = Admin{Socket: "s", Listen: at("127.0.0.1:1")}
			c.Metrics.Listen, c.XMPP.Internal.DNS.Listen, c.StateDir = at("127.0.0.1:2"), Address{FD: "dns"}, "elsewhere"
		}, []string{"state_dir", "xmpp.internal.dns.listen", "metrics.listen", "admin.socket", "admin.listen"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, after := Default(), Default()
			tt.edit(&after)
			if diff := cmp.Diff(tt.want, RestartNeeded(&before, &after)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
