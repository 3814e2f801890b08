#!/bin/bash
# What people run in attached datasets, without root's rights: through fuse-overlayfs.
# limit 1800
set -u
[ "$(id -u)" = 0 ] || exec "${0%/*}/attached_use.sh"
say_skip() {
	echo "SKIP ${0##*/}: $*"
	exit 0
}
command -v fuse-overlayfs >/dev/null || say_skip 'there is no fuse-overlayfs'
user=(setpriv --reuid 65534 --regid 65534 --clear-groups --)
"${user[@]}" test -r "$0" -a -x "$REVFS" || say_skip 'others cannot get at this folder'
world=$(mktemp -d "${TMPDIR:-/tmp}/revfs-user.XXXXXX") || exit 2
trap 'rm -rf --one-file-system "$world"' EXIT
chmod 755 "$world"
mkdir -m 700 "$world/own" "$world/kept"
# What was built for root is not root's alone.
cp -r "${XDG_CACHE_HOME:-$HOME/.cache}"/revfs-tests/{fsx,pyarrow} "$world/kept" 2>/dev/null
mkdir "$world/kept/revfs-tests"
mv "$world"/kept/{fsx,pyarrow} "$world/kept/revfs-tests" 2>/dev/null
chown -R 65534:65534 "$world/own" "$world/kept"
# Nor is what mounts: in a namespace of its own everybody may open it.
mknod -m 666 "$world/fuse" c 10 229 || say_skip 'no device can be made here'
TMPDIR=$world/own XDG_CACHE_HOME=$world/kept unshare -m bash -c 'mount --bind "$0" /dev/fuse && exec "$@"' "$world/fuse" \
	"${user[@]}" "${0%/*}/attached_use.sh"
