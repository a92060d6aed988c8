#!/usr/bin/env bash
# candidate.sh [SEMESTER]: sends the proved cuda image to REGISTRY and writes its name, with the digest, into build/candidate.txt.
# The tag ends with -candidate-cuda, so nobody takes the image for the release before that is approved. The archive for all
# architectures, which a release has, comes before that for one.
set -euo pipefail
cd "$(dirname "$0")/../.."
semester=${1:-*}

fail() {
    echo "candidate: $1" >&2
    exit 2
}
[[ -n ${REGISTRY-} ]] || fail "REGISTRY is not set; set it to the image's name in your registry, without a tag"
shopt -s nullglob
# shellcheck disable=SC2206 # the pattern is meant to be expanded
archives=(dist/$semester/*-cuda.oci.tar)
# shellcheck disable=SC2206
((${#archives[@]})) || archives=(dist/$semester/*-cuda-*.oci.tar)
((${#archives[@]} == 1)) || fail "dist/$semester has ${#archives[@]} archives of a cuda image; build one: make archive"

scripts/ci/login.sh
mkdir -p build
digest=build/candidate.digest
name=$REGISTRY:${TAG:-untagged}-candidate-cuda
skopeo copy --all --preserve-digests --digestfile "$digest" "oci-archive:${archives[0]}" "docker://$name"
echo "$REGISTRY@$(<"$digest")" >build/candidate.txt
echo "candidate: $(<build/candidate.txt)"
