#!/usr/bin/env bash
# ask-archives.sh ROOT: a hook of mmdebstrap. It asks each archive for its first file, as apt is configured for the root
# file system ROOT, and says "practicum: reached" of each answer. Then it fails, so that mmdebstrap fetches nothing more.
set -euo pipefail
export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
impatient=(-o Acquire::Retries=0 -o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10)
mapfile -t addresses < <(apt-get update --print-uris | sed -n "s/^'\(.*InRelease\)' .*/\1/p")
for address in "${addresses[@]}"; do
    if /usr/lib/apt/apt-helper "${impatient[@]}" download-file "$address" "$1/InRelease"; then
        echo "practicum: reached"
    fi
    rm -f "$1/InRelease"
done
exit 1
