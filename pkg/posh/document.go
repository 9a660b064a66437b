package posh

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// document is what a web server says: fingerprints, or who else knows them.
type document struct {
	set       Set
	reference *url.URL      // nil if there are fingerprints
	lifetime  time.Duration // 1s to maxLifetime
}

// parse reads a document. The member names are those of RFC 7711 §3, letters' case
// included; others are passed over, "url" too where there are fingerprints.
func parse(body []byte) (document, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return document{}, fmt.Errorf("want a JSON object: %w", err)
	}
	lifetime, err := parseLifetime(members["expires"])
	if err != nil {
		return document{}, err
	}
	d := document{lifetime: lifetime}
	if fingerprints, ok := members["fingerprints"]; ok {
		d.set, err = parseFingerprints(fingerprints)
	} else if reference, ok := members["url"]; ok {
		d.reference, err = parseReference(reference)
	} else {
		err = errors.New(`want "fingerprints" or "url"`)
	}
	if err != nil {
		return document{}, err
	}
	return d, nil
}

// parseLifetime: without a lifetime, or with one of 0, the document is not valid
// (RFC 7711 §3.1). What is longer than maxLifetime is cut.
func parseLifetime(raw json.RawMessage) (time.Duration, error) {
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); raw == nil || err != nil || seconds < 1 {
		return 0, fmt.Errorf(`"expires" is %.20q: want a number of seconds, at least 1`, raw)
	}
	return time.Duration(min(seconds, maxLifetime.Seconds())) * time.Second, nil
}

// parseFingerprints takes what can be compared out of a list of objects, each of
// which names one certificate's fingerprints by hash function (RFC 7711 §3.1).
// Fingerprints of other functions are passed over, broken ones too: they match
// nothing, which is no reason to forget the others.
func parseFingerprints(raw json.RawMessage) (Set, error) {
	var certificates []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &certificates); err != nil {
		return Set{}, fmt.Errorf(`"fingerprints": want a list of objects: %w`, err)
	}
	var s Set
	for _, c := range certificates {
		for _, hash := range slices.Sorted(maps.Keys(c)) {
			if sum, ok := parseSum(c[hash]); ok && s.add(hash, sum) && s.Len() > maxFingerprints {
				return Set{}, fmt.Errorf(`"fingerprints": want at most %d`, maxFingerprints)
			}
		}
	}
	if s.Len() == 0 {
		return Set{}, errors.New(`"fingerprints": want one of sha-256 or sha-512 in base64`)
	}
	return s, nil
}

// parseSum decodes base64, of which some leave out the padding, as the examples of
// RFC 7711 do.
func parseSum(raw json.RawMessage) ([]byte, bool) {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return nil, false
	}
	sum, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	return sum, err == nil
}

func parseReference(raw json.RawMessage) (*url.URL, error) {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, fmt.Errorf(`"url": want a string: %w`, err)
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf(`"url": %w`, err)
	}
	if err := checkURL(u); err != nil {
		return nil, fmt.Errorf(`"url": %w`, err)
	}
	return u, nil
}

// checkURL holds for every place we are sent to, be it by a reference or by a
// redirect: HTTPS only (RFC 7711 §3.2, §10), and no password of ours to tell.
func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "https":
		return fmt.Errorf("scheme %.20q: want https", u.Scheme)
	case u.Hostname() == "":
		return errors.New("no host: want https://host/path")
	case u.User != nil:
		return errors.New("user or password in it: want https://host/path")
	}
	return nil
}
