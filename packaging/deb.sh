#!/bin/sh
# Makes a Debian package of edged and man/ in a folder, with an SBOM of the binary in
# it and beside it: deb.sh VERSION FOLDER [ARCHITECTURE]
#
# `make deb` calls it. It needs dpkg-deb and gzip, and nothing of debhelper.
set -eu
version=$1
bin=$2
arch=${3:-$(go env GOARCH)}
case $arch in
386) arch=i386 ;;
arm) arch=armhf ;;
esac
top=$(cd "$(dirname "$0")/.." && pwd)
here=$top/packaging/debian

version=$(sh "$top/packaging/version.sh" "$version")

# The time of the commit, so that the same source gives the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$top" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
umask 022
chmod 755 "$root"

put() { # MODE FILE PLACE
	install -D -m "$1" "$2" "$root/$3"
}

put 755 "$bin/edged" usr/bin/edged
for unit in edged.service edged.socket edged-internal.socket; do
	put 644 "$top/systemd/$unit" "lib/systemd/system/$unit"
done
put 644 "$here/sysusers" usr/lib/sysusers.d/edged.conf
put 644 "$here/default" etc/default/edged
put 644 "$here/logrotate" etc/logrotate.d/edged
install -d "$root/etc/edged/tls" # postinst restricts it

for page in edged.1 edged.yaml.5 policy.yaml.5; do
	put 644 "$bin/man/$page" "usr/share/man/man${page##*.}/$page"
	gzip -9n "$root/usr/share/man/man${page##*.}/$page"
done

completion() { # SHELL PLACE
	mkdir -p "$root/${2%/*}"
	"$bin/edged" completion "$1" >"$root/$2"
}
completion bash usr/share/bash-completion/completions/edged
completion zsh usr/share/zsh/vendor-completions/_edged
completion fish usr/share/fish/vendor_completions.d/edged.fish

doc=usr/share/doc/edged
put 644 "$here/copyright" $doc/copyright
(cd "$top" && find docs -name '*.md') | while read -r name; do
	put 644 "$top/$name" "$doc/$name"
done
put 644 "$top/README.md" $doc/README.md
(cd "$top/configs" && find . -type f ! -name '*.go') | while read -r name; do
	put 644 "$top/configs/$name" "$doc/examples/$name"
done
put 644 "$top/CHANGELOG.md" $doc/NEWS.md
gzip -9n "$root/$doc/NEWS.md"
go run "$top/packaging/sbom" "$bin/edged" "$version" >"$root/$doc/edged.cdx.json"
{
	printf 'edged (%s) unstable; urgency=medium\n\n  * See NEWS.md.gz.\n\n' "$version"
	printf ' -- The edged authors <edged@edged.invalid>  %s\n' "$(LC_ALL=C date -uRd "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$root/$doc/changelog.gz"
put 644 "$here/lintian-overrides" usr/share/lintian/overrides/edged

mkdir "$root/DEBIAN"
size=$(du -sk "$root" | cut -f1)
sed "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@SIZE@/$size/" "$here/control" >"$root/DEBIAN/control"
for script in postinst prerm postrm; do
	put 755 "$here/$script" "DEBIAN/$script"
done
(cd "$root" && find etc -type f | sed 's|^|/|') >"$root/DEBIAN/conffiles"
(cd "$root" && find usr lib -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"

file=$bin/edged_${version}_$arch
dpkg-deb --root-owner-group -Zxz --build "$root" "$file.deb" >/dev/null
cp "$root/$doc/edged.cdx.json" "$file.cdx.json"
echo "$file.deb"
