#!/bin/sh
# The interpreter of this release, under its own loader and with its own libraries: nothing of the host's is loaded, and nothing is put
# into the environment, so that programs of the host which it starts get their own libraries.
root=$(cd "${0%/*}/.." && pwd -P) || exit 1
exec "$root/lib/LOADER" --inhibit-cache --library-path "$root/lib" --argv0 "$root/bin/python3" "$root/bin/python3.real" -I -B "$@"
