#!/bin/sh
# Prints what `git describe` says as a Debian version, which begins with a digit and
# has no hyphen here: version.sh VERSION
set -eu
case $1 in
v[0-9]*.*) echo "${1#v}" ;;
[0-9]*.*) echo "$1" ;;
*) echo "0~g$1" ;; # a commit with no tag before it
esac |
	# A pre-release comes before its release, what follows a tag after it.
	sed -E 's/-(alpha|beta|rc)/~\1/; s/-([0-9]+-g)/+\1/; s/-/./g'
