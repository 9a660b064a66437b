package daemon

import (
	"edged/internal/config"
	"edged/pkg/limit"
)

// Bounds are the limits of a process that may open so many files.
func Bounds(c *config.Config, files int) (limit.Bounds, string) { return bounds(c, files) }

// Followers is how many follow messages.
func (d *Daemon) Followers() int { return d.tap.Followers() }

// Refresh does what happens every hour. It must not run beside a reload.
func (d *Daemon) Refresh() { d.refresh() }
