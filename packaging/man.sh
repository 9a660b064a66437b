#!/bin/sh
# Makes the manual pages of docs/reference: man.sh FOLDER [VERSION]
set -eu
out=$1
version=${2:-$(git describe --tags --always --dirty 2>/dev/null || echo unknown)}
top=$(dirname "$0")/..
mkdir -p "$out"
for page in edged.1 edged.yaml.5 policy.yaml.5; do
	name=${page%.*}
	section=${page##*.}
	# The title line that manual pages have, in place of the one for people.
	{
		printf '# "%s" "%s" "" "edged %s" "edged"\n' "$name" "$section" "$version"
		sed '1,/^# /d' "$top/docs/reference/$name.md"
	} | go tool -modfile="$top/tools/go.mod" go-md2man >"$out/$page"
done
