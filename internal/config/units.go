package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time that may be given as a number of seconds or with a unit.
type Duration time.Duration

// UnmarshalText reads "300", "0.5", "300s" or "5m".
func (d *Duration) UnmarshalText(text []byte) error {
	if seconds, err := strconv.ParseFloat(string(text), 64); err == nil {
		if math.IsNaN(seconds) || math.Abs(seconds) > maxSeconds {
			return fmt.Errorf("%s seconds is no length of time", text)
		}
		*d = Duration(seconds * float64(time.Second))
		return nil
	}
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no length of time: give seconds (300) or a number with a unit (5m)", text)
	}
	*d = Duration(v)
	return nil
}

// maxSeconds keeps a Duration far from overflow; it is some thirty years.
const maxSeconds = 1e9

// Bytes is an amount of data that may be given as a number of bytes or with a unit.
type Bytes int64

// maxBytes keeps Bytes far from overflow.
const maxBytes = 1 << 50

// UnmarshalText reads "1048576", "512KiB", "32MiB" or "1GiB". KB, MB and GB mean the same.
func (b *Bytes) UnmarshalText(text []byte) error {
	number, scale := strings.ToUpper(strings.TrimSpace(string(text))), int64(1)
	for unit, size := range map[string]int64{"K": 1 << 10, "M": 1 << 20, "G": 1 << 30} {
		for _, suffix := range []string{unit + "IB", unit + "B", unit} {
			if rest, ok := strings.CutSuffix(number, suffix); ok {
				number, scale = strings.TrimSpace(rest), size
				break
			}
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > maxBytes/scale {
		return fmt.Errorf("%q is no amount of data: give bytes (1048576) or a number with a unit (32MiB)", text)
	}
	*b = Bytes(n * scale)
	return nil
}
