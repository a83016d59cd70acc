package openai

import (
	"encoding/json"
	"net/http"
)

// wireModel is a model in the API. MaxModelLen is not OpenAI's; several servers have it by this name.
type wireModel struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	Created     int64  `json:"created"`
	OwnedBy     string `json:"owned_by"`
	MaxModelLen int    `json:"max_model_len,omitempty"`
}

func (h *Handler) wireModel(id string) wireModel {
	m := h.opts.Model
	return wireModel{ID: id, Object: "model", Created: m.Created.Unix(), OwnedBy: m.OwnedBy, MaxModelLen: m.ContextLength}
}

// ListModels serves GET /v1/models: the served model under each of its names but "default".
func (h *Handler) ListModels(w http.ResponseWriter, r *http.Request) {
	models := []wireModel{h.wireModel(h.opts.Model.ID)}
	for _, alias := range h.opts.Model.Aliases {
		models = append(models, h.wireModel(alias))
	}
	writeJSON(w, struct {
		Object string      `json:"object"`
		Data   []wireModel `json:"data"`
	}{"list", models})
}

// GetModel serves GET /v1/models/{id}; an id may have slashes.
func (h *Handler) GetModel(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if id == "" || !h.serves(id) {
		h.unknownModel(id).write(w)
		return
	}
	if id == "default" {
		id = h.opts.Model.ID
	}
	writeJSON(w, h.wireModel(id))
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // plain data; a client that left needs no answer
}
