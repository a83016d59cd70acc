package shape

import "strings"

// secretNames are files and folders that hold credentials, or what was typed, wherever they are.
var secretNames = map[string]bool{
	".ssh": true, ".aws": true, ".gnupg": true, ".kube": true, ".docker": true, ".azure": true, ".oci": true, ".terraform.d": true,
	".netrc": true, "_netrc": true, ".pgpass": true, ".git-credentials": true, ".password-store": true, ".pypirc": true, ".s3cfg": true,
	".boto": true, ".my.cnf": true, ".mylogin.cnf": true, ".databrickscfg": true, ".terraformrc": true, ".vault-token": true, ".htpasswd": true,
	".bash_history": true, ".zsh_history": true, ".python_history": true, ".node_repl_history": true, ".mysql_history": true, ".psql_history": true,
	".rediscli_history": true, ".sqlite_history": true, "id_rsa": true, "id_dsa": true, "id_ecdsa": true, "id_ed25519": true, "docker.sock": true,
}

// secretPlaces are such folders and files by more than one name.
var secretPlaces = [...]string{
	".config/gcloud", ".config/gh", ".config/hub", ".config/glab-cli", ".config/rclone", ".config/op", ".config/sops", ".config/doctl", ".config/heroku",
	".cargo/credentials", ".cargo/credentials.toml", ".gem/credentials", ".m2/settings.xml", ".composer/auth.json", ".config/composer/auth.json",
	".config/toolserve", "share/keyrings", "share/kwalletd", "library/keychains", "microsoft/credentials", "microsoft/protect",
	".mozilla/firefox", ".thunderbird", ".config/google-chrome", ".config/chromium", ".config/microsoft-edge", ".config/bravesoftware",
	"application support/google/chrome", "application support/firefox", "local/google/chrome", "local/microsoft/edge", "roaming/mozilla/firefox",
}

// homeFiles hold credentials in the home alone; projects have such files of their own.
var homeFiles = map[string]bool{".npmrc": true, ".yarnrc.yml": true}

// secretName returns the name of credentials that the path p, in lower case, goes through, or "".
func secretName(p string) string {
	last := p
	for seg := range strings.SplitSeq(p, "/") {
		if secretNames[seg] {
			return seg
		}
		last = seg
	}
	if homeFiles[last] && isHome(strings.TrimSuffix(p, "/"+last)) {
		return "~/" + last
	}
	for _, place := range secretPlaces {
		i := strings.Index(p, place)
		if i < 0 {
			continue
		}
		end := i + len(place)
		if (i == 0 || p[i-1] == '/') && (end == len(p) || p[end] == '/') {
			return place
		}
	}
	return ""
}

// isHome says whether a path in lower case is the home of somebody.
func isHome(p string) bool {
	if p == "~" {
		return true
	}
	for _, above := range [...]string{"/home/", "/users/", "c:/users/"} {
		if rest, ok := strings.CutPrefix(p, above); ok {
			return rest != "" && !strings.Contains(rest, "/")
		}
	}
	return false
}
