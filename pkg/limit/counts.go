package limit

import "reflect"

// Counts returns the bounds that count something or are sizes in bytes, by their
// names in the `limits:` section.
func (b *Bounds) Counts() map[string]float64 {
	all := make(map[string]float64)
	v := reflect.ValueOf(b).Elem()
	for i := range v.NumField() {
		switch n := v.Field(i).Interface().(type) {
		case int:
			all[v.Type().Field(i).Tag.Get("yaml")] = float64(n)
		case Size:
			all[v.Type().Field(i).Tag.Get("yaml")] = float64(n)
		}
	}
	return all
}
