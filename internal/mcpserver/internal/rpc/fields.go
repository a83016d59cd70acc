package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/toolserve/toolserve/internal/rawjson"
)

// maxKeys bounds the keys of an object of the protocol's own. Arguments of tools are not read here.
const maxKeys = 200

// Fields calls take for each member of the object that data holds, in order, and returns its first error.
// The values share data's memory. A key that is given twice is an error, and so is anything but an object.
func Fields(data []byte, take func(key string, value json.RawMessage) error) error {
	if !json.Valid(data) {
		return errors.New("not JSON")
	}
	var few [8]string // most objects have no more
	seen := few[:0]
	var err error
	isObject := rawjson.Fields(data, func(key string, value json.RawMessage) bool {
		switch {
		case slices.Contains(seen, key):
			err = fmt.Errorf("the key %.60q is given twice", key)
		case len(seen) == maxKeys:
			err = fmt.Errorf("more than %d keys", maxKeys)
		default:
			seen = append(seen, key)
			err = take(key, slices.Clip(value))
		}
		return err == nil
	})
	if !isObject {
		return errors.New("not an object")
	}
	return err
}
