package modelstore

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// noGGUF explains that a repository has no GGUF files, and names repositories that do.
func (s *Store) noGGUF(ctx context.Context, ref hubRef, l listing) error {
	e := &Error{What: "model " + ref.String(), Kind: ErrNoGGUF, Reason: "the repository has no GGUF files, and toolserve's own engine reads nothing else"}
	if len(l.others) > 0 {
		slices.Sort(l.others)
		e.Reason += " (it has " + strings.Join(slices.Compact(l.others), ", ") + ")"
	}
	base := baseName(ref.repo)
	if found := s.searchGGUF(ctx, base); len(found) > 0 {
		e.Mend = "GGUF repositories of " + base + ": " + strings.Join(found, ", ")
	} else {
		e.Mend = guess(base)
	}
	return e
}

// formatHint says of a name that belongs to another format what to look for. It needs no network.
func formatHint(ref hubRef) string {
	if !strings.Contains(strings.ToLower(ref.id()), "mlx") {
		return ""
	}
	return fmt.Sprintf(". Note that %s is in MLX format by its name, which toolserve's own engine does not read: %s", ref.id(), guess(baseName(ref.repo)))
}

func guess(base string) string {
	return fmt.Sprintf("look for a GGUF repository of %s, such as unsloth/%s-GGUF or bartowski/%s-GGUF", base, base, base)
}

var formatSuffix = regexp.MustCompile(`(?i)[-_](?:mlx|gguf|awq|gptq|exl[23]|fp8|nvfp4|mxfp4|dwq|bnb|[2-8](?:\.\d+)?-?bits?|bf16|fp16|fp32|int[48]|w\d+a\d+|q\d\w*)$`)

// baseName is a repository's name without the format that it is packed in: Qwen3-4B of Qwen3-4B-MLX-4bit.
func baseName(repo string) string {
	for {
		cut := formatSuffix.ReplaceAllString(repo, "")
		if cut == repo || cut == "" {
			return repo
		}
		repo = cut
	}
}

// searchGGUF asks the hub for repositories with GGUF files of a model, the most used first. It is only
// help for an error message, so failures are silent.
func (s *Store) searchGGUF(ctx context.Context, base string) []string {
	var found []struct {
		ID string `json:"id"`
	}
	u := s.endpoint.JoinPath("api", "models")
	q := u.Query()
	for k, v := range map[string]string{"search": base, "filter": "gguf", "sort": "downloads", "direction": "-1", "limit": "5"} {
		q.Set(k, v)
	}
	u.RawQuery = q.Encode()
	if err := s.getJSON(ctx, u, &found); err != nil {
		s.log.Debug("search for GGUF repositories failed", "error", err)
		return nil
	}
	var names []string
	for _, m := range found[:min(len(found), 5)] {
		if ref, err := parseRef(m.ID); err == nil {
			names = append(names, ref.id())
		}
	}
	return names
}
