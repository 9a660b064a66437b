#!/bin/sh
# Brings what `make test` needs beside Go: a C compiler for the race detector and
# the programs that edged is tested against. As root on Debian it installs what is
# missing; otherwise it says what is missing, and the tests skip those peers.
# With CI=true a missing peer is a failure. When all is there, it is silent.
set -u

# missing prints the Debian packages that have to be installed.
missing() {
	# Linking needs the start files of libc6-dev, so this tests both packages.
	echo 'int main(void) { return 0; }' | gcc -x c -o /dev/null - 2>/dev/null || echo gcc libc6-dev
	has kamailio || echo kamailio
	ls /usr/lib/*/kamailio/modules/tls.so >/dev/null 2>&1 || echo kamailio-tls-modules
	has patch || echo patch
	has sipp || echo sip-tester
	has knotd || echo knot
	has prosody || echo prosody
	# Prosody finds the edge by this resolver, and has no other way.
	ls /usr/lib/*/lua/*/lunbound.so >/dev/null 2>&1 || echo lua-unbound
	has ejabberdctl || echo ejabberd
	# Debian's own Python, whatever comes first in PATH.
	/usr/bin/python3 -c 'import slixmpp' 2>/dev/null || echo python3-slixmpp
	has openssl || echo openssl
	# The shells whose completion is asked, and the browser that reads the status page.
	has zsh || echo zsh
	has fish || echo fish
	has chromium || echo chromium
	ls /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf >/dev/null 2>&1 || echo fonts-dejavu-core
	has systemd-analyze || echo systemd
	has systemd-nspawn || echo systemd-container
	has mmdebstrap || echo mmdebstrap
	has lintian || echo lintian
	has promtool || echo prometheus
}

# Debian keeps daemons where only root's PATH looks.
has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

# While this file says 101, Debian's packages do not start what they install.
policy=/usr/sbin/policy-rc.d
saved=$policy.edged-saved

hold_daemons() {
	if [ -e "$policy" ] && [ ! -e "$saved" ]; then mv "$policy" "$saved" || return 1; fi
	trap release_daemons EXIT
	trap 'exit 130' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
}

release_daemons() {
	rm -f "$policy"
	if [ -e "$saved" ]; then mv "$saved" "$policy"; fi
}

install_by_apt() {
	echo "test/setup.sh: installing $* by apt, without starting any daemon"
	hold_daemons || return 1
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q -o DPkg::Lock::Timeout=120 update &&
		apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "$@" || return 1
	# Nor at the next boot of a machine that only runs tests.
	if command -v systemctl >/dev/null; then
		for daemon in kamailio knot prosody ejabberd prometheus; do
			case " $* " in *" $daemon "*) systemctl --quiet disable "$daemon.service" ;; esac
		done
	fi
	return 0
}

# A bare Debian 12 with systemd and ip(8), in which the package is installed. It is
# made once and kept: the tests only look at it through an overlay.
debian=${EDGED_TEST_DEBIAN:-/var/cache/edged-test/bookworm}

make_debian() {
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 'Component: main' | head -n 1)
	echo "test/setup.sh: making a bare Debian 12 in $debian"
	rm -rf "$debian.new"
	mkdir -p "$(dirname "$debian")" &&
		mmdebstrap --quiet --variant=minbase --include=systemd,systemd-sysv,iproute2 bookworm "$debian.new" ${mirror:+"$mirror"} &&
		rm -rf "$debian" && mv "$debian.new" "$debian"
}

# all_here makes the bare Debian if it can be made, and ends with success if nothing
# is missing.
all_here() {
	need=$(missing | tr '\n' ' ')
	if [ "$(id -u)" = 0 ] && [ ! -d "$debian" ] && has mmdebstrap; then make_debian; fi
	[ -d "$debian" ] || need="$need$debian "
	[ -z "$need" ]
}

all_here && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	need=$(missing | tr '\n' ' ')
	# shellcheck disable=SC2086 # a list of words
	[ -z "$need" ] || install_by_apt $need || echo 'test/setup.sh: apt failed' >&2
	all_here && exit 0
fi

echo "test/setup.sh: missing: ${need% }" >&2
case " $need" in
*" gcc "*)
	echo 'test/setup.sh: without a C compiler there is no race detector; `make short` runs without' >&2
	exit 1
	;;
esac
if [ "${CI-}" = true ]; then
	echo 'test/setup.sh: CI=true, so this is a failure' >&2
	exit 1
fi
echo 'test/setup.sh: the tests that need them are skipped; as root this script installs them' >&2
