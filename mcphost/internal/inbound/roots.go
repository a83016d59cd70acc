package inbound

import (
	"net/url"
	"path/filepath"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// Root is a folder that a server is told of.
type Root struct {
	// Path is absolute. Name is for people; "" leaves it out.
	Path, Name string
}

// maxRoots bounds the list.
const maxRoots = 256

type rootsResult struct {
	Roots []rootItem `json:"roots"`
}

type rootItem struct {
	URI  string `json:"uri"`
	Name string `json:"name,omitempty"`
}

func (h *Handlers) listRoots() (any, error) {
	if h.opts.Roots == nil {
		return nil, refusal(jsonrpc.CodeMethodNotFound, "roots are turned off for this server in the client's configuration")
	}
	result := rootsResult{Roots: []rootItem{}}
	roots := h.opts.Roots()
	for _, root := range roots[:min(len(roots), maxRoots)] {
		path := filepath.ToSlash(root.Path)
		if len(path) > 0 && path[0] != '/' { // a drive of Windows
			path = "/" + path
		}
		uri := url.URL{Scheme: "file", Path: path}
		result.Roots = append(result.Roots, rootItem{URI: uri.String(), Name: root.Name})
	}
	return result, nil
}
