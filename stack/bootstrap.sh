#!/usr/bin/env bash
# Installs what the project needs: Debian packages from stack/packages.txt, Python packages from
# requirements.lock. Costs nothing when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "bootstrap: $*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; return; fi
    command -v sudo >/dev/null || fail "packages are missing and there is no sudo: run as root once."
    sudo -E "$@"
}

missing_packages() {
    local name
    grep -v '^#' stack/packages.txt | while read -r name; do
        dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || echo "$name"
    done
}

# Debian starts a daemon when it is installed. Ours run under the stack's own supervisor and ports.
POLICY=/usr/sbin/policy-rc.d
ours_policy=no
forbid_starting() {
    [ -e "$POLICY" ] && return
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
    as_root chmod 755 "$POLICY"
    ours_policy=yes
}
allow_starting() { [ "$ours_policy" = no ] || as_root rm -f "$POLICY"; }

install_packages() {
    echo "installing Debian packages: $*"
    trap allow_starting EXIT
    forbid_starting
    as_root mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] ||
        echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || fail "the package lists cannot be fetched."
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o Dpkg::Options::=--force-confold "$@" >/dev/null || fail "apt-get could not install: $*"
    allow_starting
    trap - EXIT
    disable_units
}

disable_units() {
    [ -d /run/systemd/system ] || return 0
    local unit
    for unit in nginx redis-server postgresql prometheus prometheus-alertmanager \
        prometheus-node-exporter prometheus-postgres-exporter prometheus-redis-exporter \
        prometheus-nginx-exporter prometheus-blackbox-exporter; do
        as_root systemctl disable --now "$unit" >/dev/null 2>&1 || true
    done
}

# Debian's own Python comes first: it is built with profile-guided optimisation, others in the path
# may not be.
find_python() {
    local python
    for python in /usr/bin/python3 "$(command -v python3)"; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        echo "$python"
        return
    done
    fail "Python 3.11 or newer is needed."
}

make_venv() {
    local python stamp
    python=$(find_python)
    stamp="$(sha256sum requirements.lock | cut -d' ' -f1) $python"
    [ "$(cat .venv/.stamp 2>/dev/null)" = "$stamp" ] && return
    echo "installing Python packages"
    [ "$(cut -d' ' -f2 .venv/.stamp 2>/dev/null)" = "$python" ] || "$python" -m venv --clear .venv
    .venv/bin/python -m pip install -q --disable-pip-version-check uv==0.13.9 ||
        fail "pip could not install uv; is the network there?"
    # The machine's own certificates, as pip and apt use them.
    VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip sync -q --system-certs --require-hashes \
        requirements.lock || fail "uv could not install requirements.lock; is the network there?"
    echo "$stamp" >.venv/.stamp
}

mapfile -t missing < <(missing_packages)
[ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
make_venv
