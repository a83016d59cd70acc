package policy

import (
	"strings"

	"github.com/toolserve/toolserve/policy/internal/argv"
	"github.com/toolserve/toolserve/policy/internal/purpose"
)

// risk says what a person is to be asked, or why a high-risk tool is refused.
func (g *Gate) risk(c *Call, full string, d *Decision) (ask, refusal string) {
	tool := argv.Quote(c.Tool)
	approved := anyMatches(g.rules.Servers[c.Server].AutoApprove, c.Tool, full, false)
	d.AutoApproved = approved
	if !approved && anyMatches(g.rules.AskTools, c.Tool, full, true) {
		ask = "Tool '" + tool + "' of server '" + argv.Quote(c.Server) + "' wants approval"
	}
	if anyMatches(g.rules.AllowedHighRiskTools, c.Tool, full, true) {
		return ask, ""
	}
	switch why := risky(c); {
	case why != "" && g.rules.HighRisk == RiskBlock:
		return "", "High-risk tool '" + tool + "' is blocked by security policy. Add '" + argv.Quote(full) + "' or '" + tool +
			"' to allowed_high_risk_tools to allow it explicitly."
	case why != "" && g.rules.HighRisk == RiskAsk && !approved:
		ask = "High-risk tool '" + tool + "' wants approval: " + why
	case why != "" && g.rules.HighRisk == RiskWarn:
		d.Warnings = append(d.Warnings, "High-risk tool '"+tool+"' is called: "+why+". "+
			"Add it to allowed_high_risk_tools if it is meant, or set high_risk to ask or block.")
	case ask == "" && g.rules.HighRisk != RiskWarn && !approved && c.Profile != nil && isTrue(c.Profile.hints.Destructive):
		ask = "Tool '" + tool + "' wants approval: it calls itself destructive"
	}
	return ask, ""
}

// risky says why a tool runs what it is given, as far as its name and its arguments tell, or "".
func risky(c *Call) string {
	if word := riskyWord(c.Tool); word != "" {
		return "its name says '" + word + "'"
	}
	if c.Profile != nil && c.Profile.runs != "" {
		return "it takes a command in '" + argv.Quote(c.Profile.runs) + "'"
	}
	return ""
}

// riskyWords are words of a tool's name that say it runs what it is given: the guide's, and others
// of the same meaning. Those of two words stand as "first second".
var riskyWords = map[string]bool{
	"execute": true, "run command": true, "shell": true, "eval": true, "exec": true, "system": true, "subprocess": true,
	"bash": true, "zsh": true, "powershell": true, "terminal": true, "spawn": true, "popen": true,
	"run code": true, "run script": true, "run shell": true, "run python": true,
}

// riskyWord returns the risky word in a tool's name, or "". Words are whole: "filesystem" and
// "execution_time" hold none.
func riskyWord(tool string) string {
	found, before := "", ""
	purpose.EachWord(tool, func(word []byte) bool {
		switch {
		case riskyWords[string(word)]:
			found = string(word)
		case before == "run" && riskyWords["run "+string(word)]:
			found = "run_" + string(word)
		}
		before = ""
		if string(word) == "run" {
			before = "run"
		}
		return found == ""
	})
	if found == "" && (strings.EqualFold(tool, "runcommand") || strings.EqualFold(tool, "runshell")) {
		found = "run"
	}
	return found
}
