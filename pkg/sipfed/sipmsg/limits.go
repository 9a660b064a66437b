package sipmsg

// Limits bounds what a Reader buffers and Parse accepts. All of them must be
// positive and below 4 GiB.
type Limits struct {
	Line    int // bytes of one line of the header section; beyond: 513
	Headers int // bytes from the start line to the empty line, both included; beyond: 513
	Body    int // bytes; beyond: 413, refused before a byte of the body is read
	Fields  int // header rows, 65535 at most; beyond: 513
	URI     int // bytes of the Request-URI; beyond: 414
}

// DefaultLimits are generous for real traffic: partners send Record-Route values
// of 900 bytes, several of them.
func DefaultLimits() Limits {
	return Limits{Line: 16 << 10, Headers: 64 << 10, Body: 1 << 20, Fields: 512, URI: 8 << 10}
}

// maxFields is what the index of rows can count.
const maxFields = 1<<16 - 1
