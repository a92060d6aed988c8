#!/usr/bin/env bash
# gpu.sh: runs course-verify of one image, named by its digest, on this machine's GPU. It needs docker, and nothing else of
# practicum. IMAGE is NAME@sha256:DIGEST; without it build/candidate.txt says which.
set -euo pipefail
cd "$(dirname "$0")/../.."
report=build/report
image=${IMAGE:-$(cat build/candidate.txt 2>/dev/null || true)}

# A tag may move between the proof and the release; a digest can't.
if [[ ! $image =~ @sha256:[0-9a-f]{64}$ ]]; then
    echo "ci-gpu: '$image' names no image by its digest; set IMAGE=NAME@sha256:DIGEST" >&2
    exit 2
fi
scripts/ci/login.sh
mkdir -p "$report"
docker pull --quiet "$image"
docker run --rm --gpus all --network none --shm-size 2g --user "$(id -u):0" --volume "$PWD/$report:/report" "$image" \
    course-verify --require-gpu --json /report/gpu.json | tee "$report/course-verify-gpu.txt"
echo "$image" >"$report/gpu-image.txt"
