package daemon

import (
	"time"

	"edged/internal/admin"
	"edged/internal/config"
	"edged/pkg/limit"
)

// Bounds are the limits of a process that may open so many files.
func Bounds(c *config.Config, files int) (limit.Bounds, string) { return bounds(c, files) }

// Followers is how many follow messages.
func (d *Daemon) Followers() int { return d.tap.Followers() }

// Status is what the status page shows.
func (d *Daemon) Status() admin.Status { return d.status() }

// Running is what is in force.
func (d *Daemon) Running() admin.Running { return d.running() }

// Sample takes a sample for the rates of the status page.
func (d *Daemon) Sample(at time.Time) { d.rates.add(d.counts(), at) }

// Refresh does what happens every hour. It must not run beside a reload.
func (d *Daemon) Refresh() { d.refresh() }
