// Package admin is how operators and their tools look into a running edged and
// steer it.
//
// Three servers, all plain HTTP:
//
//   - the metrics listener, which may be a routable address and therefore changes
//     nothing: GET /metrics, /-/healthy and /-/ready;
//   - the status page on a loopback address (page.go, page/), which changes nothing
//     either;
//   - the admin socket, where the permissions of a file in the host's own file
//     system say who may steer: POST /-/reload, GET /-/config, /connections,
//     /-/pools and /-/trace, GET and DELETE /-/consent and /-/watch. What somebody did
//     there is a line of the log (act.go).
//
// The package knows nothing of what it serves: the daemon hands it functions.
package admin
