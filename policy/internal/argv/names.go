package argv

import "strings"

// namedAfter reports whether a program of a package is the server that the package is named after: one of the two is
// called an MCP server, and the program has the package's own name or a word of it.
func namedAfter(program, pkg string) bool {
	pkg = strings.ToLower(pkg)
	program = strings.ToLower(program)
	theirs := nameWords(program)
	mcp := theirs["mcp"]
	same := program == pkg[strings.LastIndexByte(pkg, '/')+1:]
	for word := range nameWords(pkg) {
		mcp = mcp || word == "mcp"
		same = same || theirs[word] && !commonWords[word]
	}
	return mcp && same
}

// commonWords say nothing about whose server it is.
var commonWords = set(`mcp server servers client tool tools cli js ts py node python npm the`)

func nameWords(name string) map[string]bool {
	words := make(map[string]bool)
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return strings.ContainsRune("@/._-", r) }) {
		words[word] = true
	}
	return words
}

// impostor warns of a program that is called like a known server and comes out of another package.
func (c *checker) impostor(program, pkg string) {
	name := strings.ToLower(strings.TrimSuffix(program, ".exe"))
	if known[name] && !known[strings.ToLower(pkg)] && !strings.EqualFold(plainName(pkg), plainName(name)) && nameWords(name)["mcp"] {
		c.warn("'%s' is the name of a known server and comes out of another package, '%s'", Quote(program), Quote(pkg))
	}
}

// plainName is a name of the Python package index as the index compares it.
func plainName(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "-", ".", "-").Replace(name))
}

// knownImages are images of well-known servers, without a version.
var knownImages = set(`
ghcr.io/github/github-mcp-server ghcr.io/sooperset/mcp-atlassian mcr.microsoft.com/playwright/mcp
mcp/filesystem mcp/git mcp/fetch mcp/time mcp/memory mcp/postgres mcp/slack mcp/github mcp/gitlab mcp/puppeteer mcp/playwright mcp/sqlite
mcp/sequentialthinking mcp/brave-search mcp/google-maps mcp/notion mcp/grafana mcp/redis mcp/mongodb mcp/stripe mcp/sentry mcp/atlassian
crystaldba/postgres-mcp grafana/mcp-grafana hashicorp/terraform-mcp-server mongodb/mongodb-mcp-server mcp/context7 mcp/kubernetes`)

// knownRegistries are where public images come from.
var knownRegistries = set(`docker.io index.docker.io ghcr.io gcr.io quay.io mcr.microsoft.com public.ecr.aws registry.k8s.io
registry.gitlab.com nvcr.io docker.elastic.co`)

// lookAlikeImage warns of an image or a registry that is a slip away from a known one.
func (c *checker) lookAlikeImage(name string) {
	host, rest, found := strings.Cut(name, "/")
	if !found || !strings.ContainsAny(host, ".:") && host != "localhost" {
		host, rest = "docker.io", name
	}
	host = strings.ToLower(host)
	for registry := range knownRegistries {
		if !knownRegistries[host] && (strings.HasPrefix(host, registry+".") || alike(registry, host)) {
			c.warn("'%s' looks like '%s' and is another registry", Quote(host), registry)
			return
		}
	}
	full := strings.TrimPrefix(strings.TrimPrefix(host, "index."), "docker.io") + "/" + rest
	full = strings.TrimPrefix(full, "/")
	if knownImages[full] {
		return
	}
	best := ""
	for image := range knownImages {
		if alike(image, full) && (best == "" || image < best) {
			best = image
		}
	}
	if best != "" {
		c.warn("'%s' looks like '%s' and is another image", Quote(name), best)
	}
}
