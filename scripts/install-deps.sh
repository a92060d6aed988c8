#!/usr/bin/env bash
# install-deps.sh GOAL...: names the Debian packages that are missing for the goals (ova, test, emulator, arm64) and, as root, installs them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin:/sbin

is_there() {
    case $1 in
    /*) [[ -e $1 ]] ;;
    # A client alone is no use, but its daemon may be elsewhere (DOCKER_HOST).
    dockerd) command -v dockerd >/dev/null || timeout 10 docker version >/dev/null 2>&1 ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

missing=()
while read -r goal probe package; do
    [[ -z $goal || $goal == '#'* ]] && continue
    [[ " $* " == *" $goal "* ]] || continue
    is_there "$probe" || [[ " ${missing[*]} " == *" $package "* ]] || missing+=("$package")
done <"$here/packages.txt"
"$here/find-python.sh" >/dev/null || missing+=(python3 python3-venv)

((${#missing[@]})) || exit 0
install=(apt-get install --yes --no-install-recommends "${missing[@]}")
echo "deps: ${install[*]}"
if ((EUID != 0)); then
    echo "deps: run that as root, or: sudo make deps" >&2
    exit 2
fi
if ! command -v apt-get >/dev/null; then
    echo "deps: this is no Debian; install the counterparts of: ${missing[*]}" >&2
    exit 2
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet
"${install[@]}" --quiet
