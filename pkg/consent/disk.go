package consent

import (
	"encoding/binary"
	"fmt"
	"log/slog"

	"edged/pkg/store"
)

const bucket = "consent"

// changes are what the file has to learn: the time of the grant by key.
type changes = map[string]int64

// deleted stands in changes for a pair that goes. No grant has this time.
const deleted = -1 << 63

// stored is the form of a grant's time in the file.
func stored(since int64) []byte {
	if since == deleted {
		return nil
	}
	return binary.BigEndian.AppendUint64(nil, uint64(since)) //nolint:gosec // and back in load
}

// load reads all pairs of the file.
func load(s *store.Store, log *slog.Logger) ([]*pair, error) {
	var all []*pair
	odd := 0
	err := s.ForEach(bucket, func(k, v []byte) error {
		key := string(k)
		if _, _, ok := splitKey(key); !ok || len(v) != 8 {
			odd++
			return nil
		}
		all = append(all, &pair{key: key, since: int64(binary.BigEndian.Uint64(v))}) //nolint:gosec // as written
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("consent cannot be read: %w", err)
	}
	if odd > 0 {
		log.Warn("the state file holds what is no consent", slog.Int("count", odd))
	}
	return all, nil
}
