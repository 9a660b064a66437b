// Package setup writes a first configuration: what `edged init` does.
//
// It asks nothing that it can find out. Look measures the host (host.go), Plan
// turns that and what the operator says into values (plan.go), and Write puts files
// there that pass `edged check` as soon as the certificates are (write.go). What
// had to be guessed is marked in the files and told in the Result. Nothing that
// exists is changed.
//
// The files are the templates below files/ (render.go). A line `# @path` in one of
// them becomes the comment that the field at path has in the example of package
// configs, so that fields are explained in one place.
package setup
