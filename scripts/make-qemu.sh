#!/usr/bin/env bash
# make-qemu.sh FOLDER: on Debian 12, puts the QEMU of Debian's backports into FOLDER, where smoke_tests/emulator.py looks for it.
# The tests of a machine take a fourth less CPU time on it than on Debian 12's QEMU 7.2, which stays as it is and which they use
# where this one cannot be had.
set -euo pipefail
folder=$1
suite=bookworm-backports
packages=(qemu-system-x86 qemu-system-arm qemu-system-common qemu-system-data seabios ipxe-qemu)

[[ ! -e $folder ]] || exit 0
[[ $(qemu-system-x86_64 --version 2>/dev/null) == *"version 7."* ]] && grep -qx VERSION_CODENAME=bookworm /etc/os-release || exit 0

# apt's own files are of use to nobody else, and the machine's list of sources stays as it is.
mkdir -p "$(dirname "$folder")"
part=$(mktemp --directory "$(realpath "$folder").XXXXXX")
trap 'rm -rf "$part"' EXIT
mkdir -p "$part"/apt/{lists,cache/archives}/partial "$part/deb" "$part/tree"
# shellcheck disable=SC2016 # apt puts the values in
mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Component: main' | awk '$1 == "bookworm" {print $2}' | tail -n 1) || true
keys=/usr/share/keyrings/debian-archive-keyring.gpg
for one in bookworm "$suite"; do
    echo "deb [signed-by=$keys] $mirror $one main"
done >"$part/apt/sources.list"
apt=(apt-get --quiet --quiet -o "Dir::Etc::SourceList=$part/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$part/apt/lists" -o "Dir::Cache=$part/apt/cache" -o "APT::Sandbox::User=$(id -un)"
    -o Acquire::Retries=0 -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15)
echo "qemu: fetching a newer QEMU for the tests, 24 MB" >&2
if ! (cd "$part/deb" && "${apt[@]}" update && "${apt[@]}" download --target-release "$suite" "${packages[@]}") >"$part/said" 2>&1; then
    echo "qemu: $suite cannot be had, so the tests run on Debian's own QEMU: $(tail -n 1 "$part/said")" >&2
    exit 0
fi
for package in "$part"/deb/*.deb; do
    dpkg-deb --extract "$package" "$part/tree"
done
if ! "$part/tree/usr/bin/qemu-system-x86_64" --version >"$part/said" 2>&1; then
    echo "qemu: the QEMU of $suite does not start, so the tests run on Debian's own: $(tail -n 1 "$part/said")" >&2
    exit 0
fi
chmod 0755 "$part/tree"
mv "$part/tree" "$folder"
