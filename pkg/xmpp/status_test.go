package xmpp

import "testing"

// TestWithoutStatus: the text of presence goes in every language, and nothing else.
func TestWithoutStatus(t *testing.T) {
	tests := []struct{ name, raw, want string }{
		{"none", "<presence from='a@b'/>", "<presence from='a@b'/>"},
		{"one", "<presence><show>dnd</show><status>at home</status><priority>1</priority></presence>", "<presence><show>dnd</show><priority>1</priority></presence>"},
		{"two languages", "<presence><status xml:lang='de'>weg</status><status>away</status></presence>", "<presence></presence>"},
		{"of somebody else", "<presence><x xmlns='urn:x'><status>kept</status></x></presence>", "<presence><x xmlns='urn:x'><status>kept</status></x></presence>"},
		{"in another namespace", "<presence><status xmlns='urn:x'>kept</status></presence>", "<presence><status xmlns='urn:x'>kept</status></presence>"},
	}
	for _, test := range tests {
		if got := string(withoutStatus([]byte(test.raw))); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
