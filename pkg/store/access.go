package store

import (
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

// Keys have 1 to 32768 bytes, values up to 2 GiB. A bucket comes into being with
// its first key; one that does not exist is empty.

// Get returns a copy of what is stored under the key, nil if nothing is.
func (s *Store) Get(bucket string, key []byte) (value []byte, err error) {
	err = s.view(bucket, func(b *bbolt.Bucket) error {
		value = slices.Clone(b.Get(key))
		return nil
	})
	return value, err
}

// ForEach calls f for every key of the bucket in the order of their bytes, until
// f fails, and returns its error. What f gets is only valid until f returns, and
// f must not use the Store.
func (s *Store) ForEach(bucket string, f func(key, value []byte) error) error {
	return s.view(bucket, func(b *bbolt.Bucket) error { return b.ForEach(f) })
}

func (s *Store) view(bucket string, f func(*bbolt.Bucket) error) error {
	return s.guard(func() error {
		return s.db.View(func(tx *bbolt.Tx) error {
			if b := tx.Bucket([]byte(bucket)); b != nil {
				return f(b)
			}
			return nil
		})
	})
}

// Put stores one value, in place of the one that was there.
func (s *Store) Put(bucket string, key, value []byte) error {
	return s.Update(func(tx *Tx) error { return tx.Put(bucket, key, value) })
}

// Delete removes one key; it is no error if there is none.
func (s *Store) Delete(bucket string, key []byte) error {
	return s.Update(func(tx *Tx) error { return tx.Delete(bucket, key) })
}

// Tx collects changes that reach the disk together or not at all.
type Tx struct{ tx *bbolt.Tx }

// Update writes what f puts and deletes, with one sync of the disk. Its error is
// f's or that of the disk. Unless f failed the outcome of an error is not known
// for certain: do it again, so that it is. f must not use the Store.
func (s *Store) Update(f func(*Tx) error) error {
	return s.guard(func() error {
		if err := s.db.Update(func(tx *bbolt.Tx) error { return f(&Tx{tx}) }); err != nil {
			return fmt.Errorf("state file %s: %w", s.path, err)
		}
		return nil
	})
}

// Put is Store.Put within the transaction. It keeps key and value until the end
// of Update: they must not change.
func (t *Tx) Put(bucket string, key, value []byte) error {
	b, err := t.tx.CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return err
	}
	return b.Put(key, value)
}

// Delete is Store.Delete within the transaction.
func (t *Tx) Delete(bucket string, key []byte) error {
	b := t.tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	return b.Delete(key)
}
