// Package load sends numbered messages and receives them again, at full speed
// within a window or at a fixed rate, and keeps many connections: quiet ones and
// hostile ones.
package load
