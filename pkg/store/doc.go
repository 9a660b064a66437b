// Package store is the one file that survives a restart: edged.db in the
// configuration's state_dir.
//
// It holds keys and values in buckets by name, in a B+ tree of go.etcd.io/bbolt.
// What a write has returned for is on the disk; a process killed at any moment
// leaves the file as one of its writes left it. Writing costs at least one sync
// of the disk, so those who write often collect first and call Update.
//
// The file is small and private: one process has it, nobody else may read it.
package store
