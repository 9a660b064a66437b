// Package domain holds a domain name that is certainly one.
//
// Names are parsed once, where they enter: Parse for what people write in
// configuration (mapped and normalised by IDNA), ParseWire for what peers send
// (accepted only if it is canonical already, apart from ASCII case). Everything
// further in handles Name and can compare with ==.
package domain
