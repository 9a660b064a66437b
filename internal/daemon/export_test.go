package daemon

// Refresh does what happens every hour. It must not run beside a reload.
func (d *Daemon) Refresh() { d.refresh() }
