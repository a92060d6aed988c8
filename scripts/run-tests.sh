#!/usr/bin/env bash
# The whole proof: unit tests and linters, the builds, the tests of what was built. Every part runs; the exit code counts all.
# Parts that do not need each other run in lanes, two side by side; `run-tests.sh LANE` runs one lane alone.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
semester=(${SEMESTER:+"$SEMESTER"})
students=build/course-venv/bin
export OMP_WAIT_POLICY=PASSIVE # as in the products
export OMP_NUM_THREADS=1       # the lanes share the cores

lane_build() {
    part "build of the appliance" .venv/bin/practicum ova "${semester[@]}"
    part "build of the container images" .venv/bin/practicum docker "${semester[@]}"
    part "archive of an image" .venv/bin/practicum archive --product cpu "${semester[@]}"
}
# What needs no product. The students' commands and content are tried in their own Python: the locked one, with pytest added.
lane_sources() {
    part "unit tests and linters" .venv/bin/python -m pytest tests --ignore=tests/course
    part "the students' Python" .venv/bin/practicum venv build/course-venv "${semester[@]}"
    part "pytest in it" .venv/bin/uv pip install --quiet --python build/course-venv pytest pytest-timeout
    part "the course's commands" $students/python -m pytest tests/course
    part "the course's folder" .venv/bin/practicum content build/content --solutions "${semester[@]}"
    part "data sets" $students/course-data make --dir build/data
    export PYTORCH_DATA_DIR=$PWD/build/data
    part "practicals, projects and lectures" $students/python -m pytest smoke_tests/content --content build/content
    part "torch on this machine" $students/python -m pytest smoke_tests/compute
}
# The machine's tests take longest; what is asked of the appliance's tree alone is left to the other lane.
tree=(smoke_tests/appliance/test_content.py smoke_tests/appliance/test_packages.py)
lane_appliance() {
    part "tests of the appliance" .venv/bin/python -m pytest smoke_tests/appliance "${tree[@]/#/--ignore=}" "${semester[@]/#/--semester=}"
}
lane_images() {
    part "tests of the images" .venv/bin/python -m pytest smoke_tests/container "${tree[@]}" "${semester[@]/#/--semester=}"
}

# A part must not outlive this script, even when that is killed. What failed in it is said again at the end of the proof.
part() {
    local title=$1 begun=$SECONDS output
    shift
    output=build/logs/part-${title//[^a-z]/-}.log
    echo "== $title"
    setpriv --pdeathsig TERM "$@" 2>&1 | tee "$output" ||
        { echo "== FAILED: $title" && grep --extended-regexp '^(FAILED|ERROR) ' "$output" | cut --characters=-200; } >>"$failures"
    echo "== $title: $((SECONDS - begun)) s"
}

declare -A lanes filters
# Each line of a lane bears its name.
start() {
    local lane=$1 out
    exec {out}> >(exec sed --unbuffered "s/^/$lane | /")
    filters[$lane]=$!
    # What a script puts in the background would else ignore Ctrl-C.
    setpriv --pdeathsig TERM env --default-signal=INT scripts/run-tests.sh "$lane" "$failures" >&"$out" 2>&1 &
    lanes[$lane]=$!
    exec {out}>&-
}
# A lane fails only when it was killed: what its parts did stands in the file.
finish() {
    wait "${lanes[$1]}" || echo "== FAILED: $1, whole" >>"$failures"
    wait "${filters[$1]}"
}

failures=${2:-build/failed-parts}
(($# > 1)) || { mkdir -p build/logs && : >"$failures"; }
if (($#)); then
    "lane_$1"
else
    start build
    start sources
    finish build
    start appliance
    finish sources
    start images
    finish appliance
    finish images
fi
(($# > 1)) && exit
if [[ -s $failures ]]; then
    cat "$failures" >&2
    exit 1
fi
echo "== all passed"
