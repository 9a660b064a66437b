package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// startEjabberd runs an ejabberd whose data is in dir. Debian's ejabberdctl
// insists on its own user and a node with a name; this is what it runs, without
// distribution, so that no epmd is started.
//
// ejabberd resolves SRV by Erlang, and then hosts by libc: a file of its own lies
// over /etc/hosts, in a mount namespace of its own.
func (w *world) startEjabberd(t *testing.T, s xmppSpec, dir string) *process {
	t.Helper()
	findBinary(t, "ejabberdctl")
	erl := findBinary(t, "erl")
	namespace := mountNamespace(t)
	w.renderXMPP(t, "xmpp/ejabberd.yml", "ejabberd.yml", s, dir)
	hosts := hostsFile(t, dir, s.hosts)
	inetrc := filepath.Join(dir, "inetrc")
	if err := os.WriteFile(inetrc, []byte(s.inetrc), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(namespace[1:], "sh", "-c", `mount --bind "$1" /etc/hosts && shift && exec "$@"`, "sh", hosts)
	args = append(args, erl, "+K", "true", "+S", "1:1", "+sbwt", "none", "-noinput",
		"-mnesia", "dir", fmt.Sprintf("%q", filepath.Join(dir, "spool")), "-s", "ejabberd", "-eval", registration(s))
	p := w.prepare(t, "ejabberd-"+s.host, namespace[0], args...)
	p.cmd.Env = append(p.cmd.Env, "ERL_INETRC="+inetrc, "ERL_CRASH_DUMP_BYTES=0", "ERL_LIBS="+erlangLibraries(),
		"EJABBERD_CONFIG_PATH="+filepath.Join(dir, "ejabberd.yml"), "EJABBERD_LOG_PATH="+filepath.Join(dir, "ejabberd.log"))
	p.run(t)
	await(t, "ejabberd to have its users", func() bool {
		if p.ended() {
			t.Fatalf("ejabberd ended: %v", p.err)
		}
		log, err := os.ReadFile(p.log)
		return err == nil && strings.Contains(string(log), "users are registered")
	})
	return p
}

// mountNamespace is the command that runs another with mounts of its own. Who is not
// root needs a user namespace too, which not every machine allows.
func mountNamespace(t *testing.T) []string {
	t.Helper()
	command := []string{findBinary(t, "unshare"), "--mount"}
	if os.Geteuid() != 0 {
		command = append(command, "--map-root-user")
	}
	if out, err := exec.Command(command[0], append(command[1:], "true")...).CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("ejabberd needs a mount namespace: %v %s", err, out))
	}
	return command
}

// registration is Erlang that makes the users.
func registration(s xmppSpec) string {
	var text strings.Builder
	for _, user := range s.users {
		fmt.Fprintf(&text, "ok = ejabberd_auth:try_register(<<%q>>, <<%q>>, <<%q>>), ", user, s.domain, password)
	}
	return text.String() + `io:format("users are registered~n").`
}

// erlangLibraries is where Debian keeps those that belong to an architecture.
func erlangLibraries() string {
	found, err := filepath.Glob("/usr/lib/*/ejabberd-*")
	if err != nil || len(found) == 0 {
		return ""
	}
	return filepath.Dir(found[0])
}

// hostsFile is a file like /etc/hosts with that text.
func hostsFile(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "hosts")
	if err := os.WriteFile(path, []byte("127.0.0.1 localhost\n"+text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// knowsAll is what such a file says about every place of the world.
func (w *world) knowsAll() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var text strings.Builder
	for name, at := range w.places {
		fmt.Fprintln(&text, at.Addr(), name)
	}
	return text.String()
}

// ejabberdAsks is an inetrc with the name server at that place.
func (w *world) ejabberdAsks(place string) string {
	at := w.place(place)
	return fmt.Sprintf("{resolv_conf, \"\"}.\n{nameserver, %s, %d}.\n", tuple(at.Addr().String()), at.Port())
}

// ejabberdProves makes ejabberd want certificates that the authority signed.
func ejabberdProves(a authority) string {
	return fmt.Sprintf("s2s_use_starttls: required\ns2s_cafile: %q\ns2s_max_retry_delay: 1\n", a.file)
}

// ejabberdCalls makes it call back instead, whatever the certificate.
const ejabberdCalls = "s2s_use_starttls: required\ns2s_max_retry_delay: 1\n"

// stockShapers are the limits of Debian's configuration.
func stockShapers(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "xmpp", "ejabberd-shapers.yml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
