// Package sippeer is a small SIP endpoint over mutual TLS, made of the standard
// library alone: the other end of every wire in the lab.
//
// It shares nothing with the edge on purpose. It reads a message by its own few
// lines, so that a mistake in the edge's message layer cannot hide by being made
// twice. It is a scripted partner and no user agent: a test or the lab says what
// it sends, byte by byte if need be, and what it answers to which Call-ID; the
// peer records what arrived.
//
// A Peer listens and dials; a Conn is one TLS connection of it; a Desk holds the
// scripts and the record, and may be shared by the members of one pool.
package sippeer
