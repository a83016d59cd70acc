package argv

import (
	"encoding/csv"
	"net/netip"
	"path"
	"regexp"
	"strings"

	"github.com/toolserve/toolserve/policy/internal/shape"
)

const (
	hostAccess = "access to the host"
	outlives   = "a container that outlives its server"
	otherHost  = "another container engine or configuration"
)

var dockerGrammar = &grammar{
	bools:   set(`-D --debug`),
	values:  set(`-l --log-level`),
	refused: reasons(otherHost + ": -H --host -c --context --config --tls --tlsverify --tlscacert --tlscert --tlskey --connection --url --root --runroot --storage-driver"),
}

var dockerRunGrammar = &grammar{
	cluster: true,
	bools: set(`-i --interactive -t --tty --rm --init --read-only --no-healthcheck -q --quiet --sig-proxy --privileged -P --publish-all
		-d --detach --oom-kill-disable`),
	values: set(`-e --env --env-file --name --network --net --network-alias --add-host -m --memory --memory-swap --memory-reservation --cpus
		--cpu-shares -c --cpuset-cpus --cpu-period --cpu-quota --pids-limit --ulimit --shm-size -u --user -w --workdir -h --hostname
		-l --label --platform --pull --stop-timeout --stop-signal --tmpfs -v --volume --mount --cap-drop --security-opt -p
		--publish --expose --log-driver --log-opt -a --attach --restart`),
	refused: reasons(
		hostAccess+": --device --device-cgroup-rule --device-read-bps --device-write-bps --cap-add --pid --ipc --uts --userns --cgroupns --cgroup-parent --volumes-from "+
			"--group-add --sysctl --runtime --gpus --volume-driver --isolation --storage-opt --blkio-weight --use-api-socket --cidfile --annotation --cgroup-conf --rootfs --security",
		"another program in the container: --entrypoint",
		otherHost+": --context --config --host -H --dns --dns-option --dns-search --link --ip --mac-address --disable-content-trust --label-file --credential",
	),
}

// docker starts servers by "docker run", "docker container run" and "docker mcp gateway run".
func (c *checker) docker(args []string, i int) {
	if i >= len(args) {
		c.nothing()
		return
	}
	at := c.options(dockerGrammar, args, i, func(option) {})
	if c.Refused() {
		return
	}
	if at+1 < len(args) && args[at] == "container" && args[at+1] == "run" {
		at++
	}
	switch {
	case at >= len(args):
		c.nothing()
	case args[at] == "run":
		image := c.options(dockerRunGrammar, args, at+1, func(o option) { c.dockerOption(args, o) })
		c.image(args, image)
	case strings.Join(args[at:min(at+3, len(args))], " ") == "mcp gateway run":
		if end := c.options(gatewayGrammar, args, at+3, func(option) {}); end < len(args) && !c.Refused() {
			c.refuse(Argument, "Argument %d '%s' is not expected behind 'docker mcp gateway run'.", end, Quote(args[end]))
		}
	default:
		c.refuse(Argument, "Argument %d '%s' is not a command of %s that starts a server. Use 'run'.", at, Quote(args[at]), c.command)
	}
}

var gatewayGrammar = &grammar{
	bools:  set(`--verify-signatures --block-secrets --block-network --log-calls --static --verbose`),
	values: set(`--servers --tools --transport --profile --cpus --memory`),
	refused: reasons(otherHost +
		": --catalog --additional-catalog --config --additional-config --registry --additional-registry --secrets --interceptor --oci-ref --mcp-registry"),
}

var envAssign = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*(=|$)`)

func (c *checker) dockerOption(args []string, o option) {
	switch o.name {
	case "--privileged", "-P", "--publish-all", "--oom-kill-disable":
		c.enables(args, o.index, hostAccess)
	case "-e", "--env":
		c.EnvArgs = append(c.EnvArgs, o.index)
		name, value, given := strings.Cut(o.value, "=")
		if !envAssign.MatchString(o.value) || shape.EnvName(name) && !(given && harmlessEnv(name, value)) {
			c.refuse(Environment, "Setting '%s' environment variable is not allowed for security reasons.", Quote(name))
		}
	case "--env-file":
		if shape.Secret(o.value) != "" || InTemp(path.Clean(o.value)) {
			c.enables(args, o.index, hostAccess)
		}
	case "-d", "--detach":
		c.enables(args, o.index, outlives)
	case "--restart":
		if policy, _, _ := strings.Cut(o.value, ":"); policy != "no" && policy != "on-failure" {
			c.enables(args, o.index, outlives)
		}
	case "--network", "--net":
		if o.value == "host" || strings.HasPrefix(o.value, "container:") || strings.HasPrefix(o.value, "ns:") || strings.Contains(o.value, "=host") {
			c.enables(args, o.index, hostAccess)
		}
	case "--add-host":
		if at := strings.IndexAny(o.value, ":="); at < 0 || !ownAddress(o.value[at+1:]) {
			c.enables(args, o.index, "another machine under a known name")
		}
	case "-v", "--volume":
		source, target, _ := cutVolume(o.value)
		if timeZone[source] && strings.HasSuffix(target, ":ro") {
			return
		}
		c.mount(args, o.index, source)
		if propagation.MatchString(target) {
			c.enables(args, o.index, hostAccess)
		}
	case "--mount":
		c.mountList(args, o)
	default:
		c.dockerLimits(args, o)
	}
}

// dockerLimits judges the options that loosen a container or send its log elsewhere.
func (c *checker) dockerLimits(args []string, o option) {
	switch o.name {
	case "--security-opt":
		if v := strings.ReplaceAll(o.value, "=", ":"); v != "no-new-privileges" && v != "no-new-privileges:true" {
			c.refuse(Argument, "Argument %d '%s' weakens the container for '%s', which is not allowed.", o.index, Quote(args[o.index]), c.command)
		}
	case "--log-driver":
		if o.value != "none" && o.value != "json-file" && o.value != "local" {
			c.enables(args, o.index, "sending the log elsewhere")
		}
	case "--tmpfs", "--log-opt":
		if strings.Contains(o.value, "://") {
			c.enables(args, o.index, "sending the log elsewhere")
		}
	}
}

// timeZone are the files of the host that say what time it is.
var timeZone = set(`/etc/localtime /etc/timezone`)

// ownAddress reports whether an address that a name is given in a container belongs to the host or its network.
func ownAddress(text string) bool {
	ip, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return text == "host-gateway" || err == nil && (ip.IsLoopback() || ip.IsPrivate())
}

// propagation is an option of a volume by which mounts inside the container reach the host.
var propagation = regexp.MustCompile(`(?i):(.*,)?r?(shared|slave)(,|$)`)

var windowsDrive = regexp.MustCompile(`^[A-Za-z]:[\\/]`)

// cutVolume splits "source:target[:options]", a Windows drive included. A volume without a source
// is anonymous.
func cutVolume(v string) (source, target string, ok bool) {
	skip := 0
	if windowsDrive.MatchString(v) {
		skip = 2
	}
	if at := strings.IndexByte(v[skip:], ':'); at >= 0 {
		return v[:skip+at], v[skip+at+1:], true
	}
	return "", v, false
}

func (c *checker) mountList(args []string, o option) {
	source := ""
	fields, err := csv.NewReader(strings.NewReader(o.value)).Read() // as docker reads it, quotes included
	if err != nil {
		c.enables(args, o.index, hostAccess)
	}
	for _, field := range fields {
		key, value, _ := strings.Cut(field, "=")
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "src", "source":
			source = value
		case "type":
			if kind := strings.ToLower(value); kind != "bind" && kind != "volume" && kind != "tmpfs" {
				c.enables(args, o.index, hostAccess)
			}
		case "volume-opt", "volume-driver", "bind-propagation":
			c.enables(args, o.index, hostAccess)
		}
	}
	c.mount(args, o.index, source)
}

var driveRoot = regexp.MustCompile(`^/?[a-z]:?/?$`)

// settings is a folder in which programs keep their logins, as a whole.
var settings = regexp.MustCompile(`/(\.config|\.local|\.local/share|\.cache|\.mozilla|library/application support|appdata(/[a-z]+)?)$`)

// userHome is a whole home directory, or the folder of all of them.
var userHome = regexp.MustCompile(`^(/home|/users|/c/users|[a-z]:/users|/mnt/[a-z]/users|/mnt/[a-z]|/cygdrive/[a-z]|/cygdrive|/host_mnt/[a-z]|/host_mnt|/mnt|/media|/volumes|/opt|/srv)(/[^/]+)?$`)

// mount judges the host's side of a mount. A named volume is no part of the host; of the host, only
// folders that hold a project and nothing more are left.
func (c *checker) mount(args []string, i int, source string) {
	source = strings.ReplaceAll(strings.Trim(strings.TrimSpace(source), `"'`), `\`, "/")
	if source == "" || volumeName.MatchString(source) {
		return
	}
	clean := strings.ToLower(path.Clean(source))
	switch {
	case strings.HasPrefix(source, "//./") || strings.HasPrefix(source, "//?/"), // a device or pipe of Windows
		strings.HasPrefix(source, "~") || strings.HasPrefix(source, "$") || strings.HasPrefix(source, "%"),
		!strings.HasPrefix(clean, "/") && !(len(clean) > 2 && clean[1] == ':'), // a relative folder is whatever the working directory is
		clean == "/" || driveRoot.MatchString(clean) || shape.Secret(clean) != "" || shape.Climbs(source),
		userHome.MatchString(clean) && !strings.HasPrefix(clean, "/opt/") && !strings.HasPrefix(clean, "/srv/") && !isMountPoint(clean),
		settings.MatchString(clean), hostDir(clean):
		c.refuse(Argument, "Argument %d '%s' mounts a part of the host into the container for '%s', which is not allowed. "+
			"Mount the one folder that the server needs, by its absolute path, or a named volume.", i, Quote(args[i]), c.command)
	default:
		c.warn("the container gets the folder or file '%s'", Quote(source))
	}
}

var volumeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// isMountPoint says whether p is one disk below /mnt, /media or /Volumes.
func isMountPoint(p string) bool {
	for _, d := range [...]string{"/mnt/", "/media/", "/volumes/"} {
		if rest, ok := strings.CutPrefix(p, d); ok && len(rest) > 1 && !strings.Contains(rest, "/") {
			return true
		}
	}
	return false
}

// hostDir says whether p belongs to the operating system.
func hostDir(p string) bool {
	for _, d := range [...]string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/var", "/boot", "/snap", "/system",
		"/library", "/applications", "/private/var", "/tmp", "/private/tmp", "/nix", "/cores"} {
		if p == d || strings.HasPrefix(p, d+"/") {
			return !strings.HasPrefix(p, "/var/www/") && !strings.HasPrefix(p, "/tmp/")
		}
	}
	return false
}

var imagePattern = regexp.MustCompile(`^([a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9._-]*)?(@sha256:[0-9a-f]{64})?$`)

// systemImages run the command they are given; no server lives in one.
var systemImages = set(`alpine ubuntu debian busybox bash centos fedora rockylinux almalinux amazonlinux archlinux docker
	opensuse kali kalilinux/kali-rolling buildpack-deps oraclelinux photon nixos/nix ubuntu/ubuntu toybox
	mcr.microsoft.com/powershell mcr.microsoft.com/dotnet/sdk mcr.microsoft.com/azure-cli
	golang gcc openjdk eclipse-temurin julia r-base oven/bun denoland/deno curlimages/curl alpine/curl nicolaka/netshoot`)

// entryWords are commands of uv, npm and docker that no program is called like.
var entryWords = set(`run tool exec x`)

// image judges the image at args[i] and the command behind it.
func (c *checker) image(args []string, i int) {
	if c.Refused() {
		return
	}
	if i >= len(args) {
		c.refuse(Argument, "'%s run' names no image.", c.command)
		return
	}
	image := args[i]
	if !imagePattern.MatchString(image) {
		c.refuse(Package, "Argument %d '%s' is not the name of an image.", i, Quote(image))
		return
	}
	name, digest, _ := strings.Cut(image, "@")
	if slash := strings.LastIndexByte(name, '/'); strings.Contains(name[slash+1:], ":") {
		name = name[:strings.LastIndexByte(name, ':')]
	}
	c.Packages = append(c.Packages, Ref{Registry: "image", Name: name, Spec: image, Exact: digest != ""})
	c.lookAlikeImage(name)
	short := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(name, "docker.io/"), "index.docker.io/"), "library/")
	system := systemImages[short] || programs[short] || commandRunners[short]
	switch {
	case i+1 >= len(args) && (system || runtimeOf(short) != ""):
		c.enables(args, i, "commands or code from standard input")
	case i+1 >= len(args):
	case system:
		c.enables(args, i+1, "any command in an image of an operating system or a runtime")
	case runtimeOf(path.Base(short)) != "" && (strings.HasPrefix(args[i+1], "-") || entryWords[args[i+1]]): // it is the image's entry point
		c.run(path.Base(short), args, i+1)
	default:
		c.program(args, i+1)
	}
}
