package argv

import (
	"regexp"
	"slices"
	"strings"
)

var (
	npmPattern  = regexp.MustCompile(`^((?:@[A-Za-z0-9~_][A-Za-z0-9._~-]*/)?[A-Za-z0-9~][A-Za-z0-9._~-]*)(?:@([A-Za-z0-9^~<>=*. |-][A-Za-z0-9._+~<>=*^ -]*))?$`)
	archive     = regexp.MustCompile(`(?i)\.(tgz|tar|tar\.gz)$`)
	semver      = regexp.MustCompile(`^v?=?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	pypiPattern = regexp.MustCompile(`^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[A-Za-z0-9._, -]*\])?\s*(.*)$`)
	pypiVersion = regexp.MustCompile(`^(@[A-Za-z0-9.+!_-]+|(\s*(===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+\s*,?)+)$`)
	pypiExact   = regexp.MustCompile(`^(@|===?)\s*[0-9][A-Za-z0-9.+!_-]*$`)
)

// npmSpec judges the package text (a part of args[i]) and adds the package to the report.
func (c *checker) npmSpec(args []string, i int, text string) (Ref, bool) {
	m := npmPattern.FindStringSubmatch(text)
	if m == nil || archive.MatchString(text) || archive.MatchString(m[1]) || strings.HasPrefix(text, ".") || strings.HasPrefix(text, "~") {
		c.refuse(Package, "Argument %d '%s' is not a package of the npm registry for '%s'. "+
			"URLs, git repositories, archives, aliases and paths are not allowed; write name@version.", i, Quote(args[i]), c.command)
		return Ref{}, false
	}
	return c.add(Ref{Registry: "npm", Name: m[1], Spec: text, Exact: semver.MatchString(m[2])}), true
}

// pypiSpec judges the requirement text (a part of args[i]) and adds the package to the report.
func (c *checker) pypiSpec(args []string, i int, text string) (Ref, bool) {
	m := pypiPattern.FindStringSubmatch(text)
	lower := strings.ToLower(text)
	if m == nil || m[2] != "" && !pypiVersion.MatchString(strings.TrimSpace(m[2])) || strings.HasSuffix(lower, ".whl") ||
		strings.HasSuffix(lower, ".tar.gz") || strings.HasSuffix(lower, ".zip") || strings.HasSuffix(lower, ".py") {
		c.refuse(Package, "Argument %d '%s' is not a package of the Python package index for '%s'. "+
			"URLs, git repositories, archives and paths are not allowed; write name==version.", i, Quote(args[i]), c.command)
		return Ref{}, false
	}
	return c.add(Ref{Registry: "pypi", Name: m[1], Spec: text, Exact: pypiExact.MatchString(strings.TrimSpace(m[2]))}), true
}

func (c *checker) add(ref Ref) Ref {
	c.Packages = append(c.Packages, ref)
	name := ref.Name
	if ref.Registry == "pypi" { // where these are the same name
		name = strings.NewReplacer("_", "-", ".", "-").Replace(name)
	}
	known := lookAlike(name)
	if known == "" && ref.Registry == "npm" {
		known = npmTwin(name)
	}
	if known != "" {
		c.warn("'%s' looks like '%s' and is another package", Quote(ref.Name), known)
	}
	return ref
}

// trusted says whether a package may be added to another one's environment.
func (c *checker) trusted(name string) bool {
	return IsKnown(name) || slices.Contains(c.opts.AllowedPackages, name)
}

// IsKnown says whether a package or program is a well-known server, or a library that servers are joined with.
func IsKnown(name string) bool { return known[strings.ToLower(name)] }

// known are the servers of the guide and of the official repositories, the SDKs that servers are
// written with, and libraries that servers are commonly joined with.
var known = set(`
@modelcontextprotocol/server-filesystem @modelcontextprotocol/server-github @modelcontextprotocol/server-postgres
@modelcontextprotocol/server-brave-search @modelcontextprotocol/server-everything @modelcontextprotocol/server-memory
@modelcontextprotocol/server-sequential-thinking @modelcontextprotocol/server-slack @modelcontextprotocol/server-puppeteer
@modelcontextprotocol/server-gitlab @modelcontextprotocol/server-google-maps @modelcontextprotocol/server-gdrive
@modelcontextprotocol/server-redis @modelcontextprotocol/server-sqlite @modelcontextprotocol/server-fetch
@modelcontextprotocol/server-everart @modelcontextprotocol/server-aws-kb-retrieval @modelcontextprotocol/sdk
@playwright/mcp @upstash/context7-mcp @notionhq/notion-mcp-server @supabase/mcp-server-supabase @stripe/mcp
@sentry/mcp-server @cloudflare/mcp-server-cloudflare @heroku/mcp-server @azure/mcp @browsermcp/mcp @executeautomation/playwright-mcp-server
chrome-devtools-mcp firecrawl-mcp tavily-mcp exa-mcp-server figma-developer-mcp mcp-remote mongodb-mcp-server
mcp-server-time mcp-server-git mcp-server-fetch mcp-server-sqlite mcp-server-sentry mcp-server-filesystem mcp-server-postgres
mcp-server-github mcp-server-gitlab mcp-server-slack mcp-server-memory mcp-server-puppeteer mcp-server-brave-search mcp-server-google-maps
mcp-server-qdrant task-master-ai n8n-mcp mcp-obsidian mcp-clickhouse arxiv-mcp-server duckduckgo-mcp-server basic-memory
awslabs-core-mcp-server awslabs-aws-documentation-mcp-server awslabs-aws-api-mcp-server awslabs-cdk-mcp-server mcp-proxy-for-aws
@brave/brave-search-mcp-server puppeteer-mcp-server @shopify/dev-mcp @paypal/mcp @eslint/mcp @bytebase/dbhub supergateway
serena-agent postgres-mcp blender-mcp desktop-commander @wonderwhy-er/desktop-commander @browserbasehq/mcp-server-browserbase
@apify/actors-mcp-server @elastic/mcp-server-elasticsearch @circleci/mcp-server-circleci @mongodb-js/mongodb-mcp-server
@hubspot/mcp-server @benborla29/mcp-server-mysql airtable-mcp-server kubernetes-mcp-server @21st-dev/magic @smithery/cli
elevenlabs-mcp minimax-mcp mcp-proxy mcp-server-redis mcp-server-motherduck mcp-server-kubernetes mcp-atlassian mcp-alchemy mcp fastmcp markitdown-mcp
numpy pandas polars scipy matplotlib requests httpx aiohttp pydantic sqlalchemy psycopg psycopg2 psycopg2-binary pymysql
asyncpg redis pymongo beautifulsoup4 lxml pyyaml python-dotenv openpyxl pillow duckdb tabulate rich click typer`)

// skeleton is what the eye makes of a name: signs that keep words apart left out, letters and digits that look
// the same made one.
var skeleton = strings.NewReplacer("@", "", "/", "", "-", "", "_", "", ".", "", "rn", "m", "vv", "w", "0", "o", "1", "l", "5", "s")

// lookAlike returns the known server that a name is one or two slips away from, looks like, or is called
// like in another scope, or "".
func lookAlike(name string) string {
	name = strings.ToLower(name)
	if known[name] || len(name) > 100 {
		return ""
	}
	const official = "@modelcontextprotocol/"
	base := name[strings.LastIndexByte(name, '/')+1:]
	if strings.HasPrefix(base, "server-") && known[official+base] {
		return official + base
	}
	best := ""
	for k := range known {
		if alike(k, name) && (best == "" || k < best) {
			best = k
		}
	}
	return best
}

// npmTwin returns the known package of npm that has a name's letters in another case, or its name in another scope.
func npmTwin(name string) string {
	if IsKnown(name) && name != strings.ToLower(name) {
		return strings.ToLower(name)
	}
	best, base := "", name[strings.LastIndexByte(name, '/')+1:]
	for k := range known {
		if !IsKnown(name) && len(base) >= 8 && strings.HasSuffix(k, "/"+base) && (best == "" || k < best) {
			best = k
		}
	}
	return best
}

// alike says whether a name, in lower case, is one or two slips away from a known one, or looks like it.
func alike(known, name string) bool {
	if len(known) < 6 || known == name {
		return false
	}
	limit := 1
	if len(known) >= 14 {
		limit = 2
	}
	return abs(len(known)-len(name)) <= limit && distance(known, name) <= limit || skeleton.Replace(known) == skeleton.Replace(name)
}

// LookAlike returns the known server that a program's or package's name is one or two slips away
// from, or "".
func LookAlike(name string) string { return lookAlike(name) }

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// distance counts the insertions, deletions, replacements and swaps of neighbours between a and b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
