#!/usr/bin/env bash
# login.sh: logs docker and skopeo in to the host of REGISTRY, where REGISTRY_TOKEN is set. The token is in no command line.
set -euo pipefail
[[ -n ${REGISTRY-} && -n ${REGISTRY_TOKEN-} ]] || exit 0
host=${REGISTRY%%/*}
for tool in docker skopeo; do
    command -v "$tool" >/dev/null || continue
    printf %s "$REGISTRY_TOKEN" | "$tool" login --username "${REGISTRY_USER:-practicum}" --password-stdin "$host" >/dev/null
done
