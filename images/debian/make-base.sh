#!/usr/bin/env bash
# Make the image debian:bookworm-slim with debootstrap, for a machine that cannot pull it.
#
#   make-base.sh [TAG]        needs root, debootstrap and the docker client; obeys DOCKER_HOST and TMPDIR
#
# The mirror is the one this machine's own apt sources name. Nothing else of the machine goes into the image: no CA,
# no proxy, no pip or npm configuration. Each run works in a directory of its own, so that several may run at once.
set -euo pipefail

tag=${1:-debian:bookworm-slim}
suite=bookworm

# The archive of the first enabled source whose suite is $1, out of both forms that apt knows.
archive_for() {
  local suite=$1 file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -r "$file" ] || continue
    awk -v suite="$suite" '
      $1 == "deb" { i = 2; if ($i ~ /^\[/) { while (i <= NF && $i !~ /\]$/) i++; i++ }
                    if ($(i + 1) == suite) { print $i; exit } }' "$file"
  done
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -r "$file" ] || continue
    awk -v suite="$suite" '
      function flush(   n, words, k) { if (uri != "" && enabled && deb) { n = split(suites, words, " ")
          for (k = 1; k <= n; k++) if (words[k] == suite) { print uri; found = 1; exit } }
        uri = ""; suites = ""; enabled = 1; deb = 1 }
      BEGIN { enabled = 1; deb = 1 }
      /^[[:space:]]*#/ { next }
      /^[[:space:]]*$/ { flush(); next }
      tolower($1) == "types:" { deb = 0; for (i = 2; i <= NF; i++) if ($i == "deb") deb = 1 }
      tolower($1) == "uris:" { uri = $2 }
      tolower($1) == "suites:" { $1 = ""; suites = $0 }
      tolower($1) == "enabled:" { enabled = (tolower($2) != "no") }
      END { if (!found) flush() }' "$file"
  done
}

mirror=$(archive_for "$suite" | head -n 1)
security=$(archive_for "$suite-security" | head -n 1)
if [ -z "$mirror" ]; then
  echo "No apt source of this machine offers $suite, so debian:bookworm-slim cannot be made here. Pull or load it instead." >&2
  exit 1
fi
if ! command -v debootstrap >/dev/null; then
  echo "debootstrap is not installed. Install it (apt-get install debootstrap), or pull or load debian:bookworm-slim." >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "debootstrap needs root. Run this as root, or pull or load debian:bookworm-slim." >&2
  exit 1
fi

work=$(mktemp --directory)
trap 'rm -rf --one-file-system "$work"' EXIT
# Killed: take debootstrap and its children along. They share this script's process group only if it leads one.
trap 'trap - TERM INT; kill -TERM -- -$$ 2>/dev/null || kill $(jobs -p) 2>/dev/null || true; exit 143' TERM INT
root=$work/root

echo "Fetching and unpacking $suite"
debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$work/log" 2>&1 &
wait $! || { tail -n 5 "$work/log" >&2; echo "debootstrap failed." >&2; exit 1; }

rm -f "$root/etc/apt/sources.list"
stanza() {
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n' "$1" "$2"
}
{
  stanza "$mirror" "$suite $suite-updates"
  if [ -n "$security" ]; then stanza "$security" "$suite-security"; fi
} >"$root/etc/apt/sources.list.d/debian.sources"

# What Debian's own slim images leave out: documentation, manuals, translations, caches. Licences stay.
cat >"$root/etc/dpkg/dpkg.cfg.d/docker" <<'EOF'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/info/*
path-exclude /usr/share/groff/*
path-exclude /usr/share/lintian/*
EOF
cat >"$root/etc/apt/apt.conf.d/docker" <<'EOF'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Apt::AutoRemove::SuggestsImportant "false";
EOF
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
find "$root/usr/share/doc" -type f ! -name copyright -delete
rm -rf "$root"/usr/share/{man,info,groff,lintian,locale}/* \
  "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/archives/*.deb "$root"/var/cache/apt/*.bin \
  "$root"/var/log/*.log "$root"/var/log/apt "$root"/etc/resolv.conf "$root"/etc/hostname
: >"$root/etc/machine-id"

echo "Importing $tag"
tar --directory="$root" --numeric-owner --exclude='./dev/*' --create . \
  | docker import --change 'CMD ["bash"]' --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
      --message "debootstrap $suite minbase, slimmed" - "$tag"
