{% autoescape off %}#!/bin/sh
# Makes this machine a toolbox of the Agentopia at {{ public_url }}.
#
#   … | sudo sh -s -- --ca-fingerprint sha256:HEX [--address HOST] [--port PORT] [--force]
#   … | sudo sh -s -- uninstall [--keep-volumes]
#
# It installs Docker where that is missing, DTMA (Agentopia's host agent, which brings its own interpreter) in /opt/agentopia/dtma, and
# the service agentopia-dtma. It may be run again: what is done is not done twice, what was interrupted goes on.
set -eu

PROGRAMS=/opt/agentopia/dtma
HOME_DIRECTORY=/var/lib/agentopia/dtma
CONTROL_NAME=control-plane.agentopia.internal

INTAKE={{ intake }}
INTAKE_HOST={{ intake_host }}
INTAKE_PORT={{ intake_port }}
TOKEN={{ token }}
TOOLBOX={{ toolbox }}
USED={{ used }}
PROBLEM={{ problem }}

say() { printf '%s\n' "$*"; }

refuse() {
    printf '%s\n' "$*" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# ---- before anything is changed ----

check_machine() {
    case "$(uname -s) $(uname -m)" in
    "Linux x86_64" | "Linux aarch64") ;;
    *) refuse "A toolbox is a Linux machine with an x86_64 or aarch64 processor; this is $(uname -s) on $(uname -m)." ;;
    esac
    system=unknown
    if [ -r /etc/os-release ]; then
        # shellcheck disable=SC1091
        system=$(. /etc/os-release && printf '%s %s' "${ID:-unknown}" "${VERSION_ID:-}")
    fi
    case "$system" in
    "debian 12" | "debian 13" | "ubuntu 22.04" | "ubuntu 24.04") ;;
    *)
        if [ -z "$FORCE" ]; then
            refuse "This was made for Debian 12 and 13 and Ubuntu 22.04 and 24.04, and this is $system. Add --force to try all the same."
        fi
        ;;
    esac
    for program in curl tar gzip base64 sha256sum; do
        has "$program" || refuse "The program $program is missing. Install it and run this again."
    done
}

check_token() {
    if [ -n "$PROBLEM" ]; then
        refuse "$PROBLEM"
    fi
    if [ -f "$HOME_DIRECTORY/config.json" ] && ! grep -q "\"$TOOLBOX\"" "$HOME_DIRECTORY/config.json"; then
        refuse "This machine is another toolbox already. Run \`agentopia-dtma uninstall\` first if it is to become this one."
    fi
    if [ -n "$USED" ] && [ ! -f "$HOME_DIRECTORY/identity/key.pem" ]; then
        refuse "This install command was used on another machine already. Make a new one in the dashboard."
    fi
}

# Nobody is believed before this: the certificate that comes is the right one if its SHA-256 is the one in the command. What is trusted
# from then on is written anew from the bytes that were hashed, so that nothing else can come along with it.
get_authority() {
    curl -fsS --insecure --retry 5 --retry-connrefused --connect-timeout 10 --max-time 60 --max-filesize 65536 \
        --output "$WORK/offered.pem" "$INTAKE/dtma/v1/ca" ||
        refuse "The control plane does not answer at $INTAKE. Check that this machine can reach it, and run this again."
    sed -e '/-----/d' "$WORK/offered.pem" | base64 -d >"$WORK/ca.der" 2>/dev/null ||
        refuse "What answers at $INTAKE is not a control plane. Nothing was installed."
    found=$(sha256sum <"$WORK/ca.der")
    if [ "sha256:${found%% *}" != "$FINGERPRINT" ]; then
        refuse "What answers at $INTAKE is not the control plane that this command came from, or somebody is in between. Nothing was installed."
    fi
    {
        say "-----BEGIN CERTIFICATE-----"
        base64 -w 64 "$WORK/ca.der"
        say "-----END CERTIFICATE-----"
    } >"$WORK/ca.pem"
}

from_control() {
    curl -fsS --cacert "$WORK/ca.pem" --connect-to "$CONTROL_NAME:443:$INTAKE_HOST:$INTAKE_PORT" \
        --retry 5 --retry-connrefused --connect-timeout 10 --speed-limit 1024 --speed-time 60 "$@"
}

get_offer() {
    from_control --output "$WORK/offer" "https://$CONTROL_NAME/dtma/v1/release" ||
        refuse "The control plane does not offer a release of DTMA. Its log says why."
    version=$(field version "0-9A-Za-z.+-")
    sha256=$(field sha256 "0-9a-f")
    arch=$(field arch "0-9a-z_")
    path=$(field path "0-9A-Za-z._/-")
    if [ "${#sha256}" -ne 64 ] || [ -z "$version" ] || [ -z "$path" ]; then
        refuse "The control plane offers its release in a form that this script does not understand."
    fi
    if [ "$arch" != "$(uname -m)" ]; then
        refuse "The control plane has DTMA for $arch, and this machine is $(uname -m). Nothing was installed."
    fi
    short=$(printf %.12s "$sha256")
    RELEASE=$PROGRAMS/$version-$short
}

field() {
    sed -n "s|.*\"$1\": *\"\([$2]*\)\".*|\1|p" "$WORK/offer"
}

# ---- what is installed ----

install_docker() {
    if has docker && docker version >/dev/null 2>&1; then
        has iptables || apt_install iptables
        return
    fi
    if ! has dockerd; then
        say "Installing Docker"
        # Newer releases ship the client and BuildKit's front end apart from the engine.
        apt_install docker.io iptables ca-certificates -- docker-cli docker-buildx
    fi
    start_docker
}

# Packages; behind --, those that not every release has.
apt_install() {
    has apt-get || refuse "Docker is missing, and so is apt-get. Install Docker Engine (docs.docker.com/engine/install) and run this again."
    # A machine that has just been made is often busy installing updates: wait for it.
    apt="apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=600"
    export DEBIAN_FRONTEND=noninteractive
    $apt update >"$WORK/apt" 2>&1 || apt_refuse
    wanted=
    optional=
    for package in "$@"; do
        if [ "$package" = -- ]; then
            optional=yes
        elif [ -z "$optional" ] || apt-cache show "$package" 2>/dev/null | grep -q '^Package:'; then
            wanted="$wanted $package"
        fi
    done
    # shellcheck disable=SC2086
    $apt install -y --no-install-recommends $wanted >"$WORK/apt" 2>&1 || apt_refuse
}

apt_refuse() {
    tail -n 5 "$WORK/apt" >&2
    refuse "apt-get failed, as it says above. Mend that and run this again."
}

start_docker() {
    if [ -d /run/systemd/system ]; then
        systemctl start docker || refuse "Docker does not start: see \`journalctl -u docker\`."
    elif [ -x /etc/init.d/docker ]; then
        /etc/init.d/docker start >/dev/null || refuse "Docker does not start: see /var/log/docker.log."
    fi
    left=60
    until docker version >/dev/null 2>&1; do
        left=$((left - 1))
        if [ "$left" -eq 0 ]; then
            refuse "Docker is installed and does not answer within a minute. Start it and run this again."
        fi
        sleep 1
    done
}

install_release() {
    mkdir -p "$PROGRAMS"
    rm -rf "$PROGRAMS"/.unfinished-*
    if [ ! -d "$RELEASE" ]; then
        say "Fetching DTMA $version"
        unfinished=$PROGRAMS/.unfinished-$$
        mkdir "$unfinished"
        from_control --output "$unfinished/release.tar.gz" "https://$CONTROL_NAME$path" ||
            refuse "DTMA could not be fetched from the control plane. Run this again."
        found=$(sha256sum <"$unfinished/release.tar.gz")
        if [ "${found%% *}" != "$sha256" ]; then
            refuse "DTMA arrived damaged. Run this again."
        fi
        mkdir "$unfinished/tree"
        tar -xzf "$unfinished/release.tar.gz" -C "$unfinished/tree" --no-same-owner
        mv -T "$unfinished/tree" "$RELEASE"
        rm -rf "$unfinished"
    fi
    ln -s "${RELEASE##*/}" "$PROGRAMS/.unfinished-link-$$"
    mv -T "$PROGRAMS/.unfinished-link-$$" "$PROGRAMS/current"
}

become_toolbox() {
    say "Becoming a toolbox"
    set -- --home "$HOME_DIRECTORY" --control "$INTAKE" --token "$TOKEN" --ca-fingerprint "$FINGERPRINT"
    if [ -n "$ADDRESS" ]; then set -- "$@" --address "$ADDRESS"; fi
    if [ -n "$PORT" ]; then set -- "$@" --port "$PORT"; fi
    mkdir -p "$HOME_DIRECTORY"
    chmod 700 "$HOME_DIRECTORY"
    "$PROGRAMS/current/bin/python3" -m dtma.identity enrol "$@" || exit 1
    "$PROGRAMS/current/bin/python3" -m dtma.machine settle || exit 1
}

# ---- and what goes again ----

uninstall() {
    if [ -x "$PROGRAMS/current/bin/python3" ]; then
        "$PROGRAMS/current/bin/python3" -m dtma.machine uninstall "$@" || exit 1
    elif [ -e "$HOME_DIRECTORY/config.json" ]; then
        refuse "This machine is a toolbox, but $PROGRAMS/current is missing. Run its install command again, then this."
    else
        # An installation that was interrupted before there was a service.
        rm -rf "$PROGRAMS" "$HOME_DIRECTORY"
        rmdir "${PROGRAMS%/*}" "${HOME_DIRECTORY%/*}" 2>/dev/null || true
        say "DTMA is not on this machine."
    fi
}

main() {
    FINGERPRINT=
    ADDRESS=
    PORT=
    FORCE=
    [ "$(id -u)" -eq 0 ] || refuse "This needs root: run it with sudo."
    if [ "${1:-}" = uninstall ]; then
        shift
        uninstall "$@"
        exit 0
    fi
    while [ "$#" -gt 0 ]; do
        case "$1" in
        --ca-fingerprint | --address | --port)
            [ "$#" -ge 2 ] || refuse "A value is missing behind $1."
            case "$1" in
            --ca-fingerprint) FINGERPRINT=$(say "$2" | tr A-F a-f) ;;
            --address) ADDRESS=$2 ;;
            --port) PORT=$2 ;;
            esac
            shift 2
            ;;
        --force)
            FORCE=yes
            shift
            ;;
        *) refuse "$1 is not an option of this. Copy the whole command from the dashboard." ;;
        esac
    done
    check_token
    [ -n "$FINGERPRINT" ] || refuse "The fingerprint is missing. Copy the whole command from the dashboard, with --ca-fingerprint."
    check_machine
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
    trap 'exit 130' INT TERM HUP
    get_authority
    get_offer
    install_docker
    install_release
    become_toolbox
    say "This machine is a toolbox now. The dashboard shows it: {{ public_url }}"
    say "The control plane must be able to reach this machine's port ${PORT:-7443}. Later: agentopia-dtma status | upgrade | uninstall"
}

# The last line, so that a script that was cut off on its way does nothing; and children must not read the rest of it as their input.
main "$@" </dev/null
{% endautoescape %}