#!/usr/bin/env bash
# The whole proof: unit tests and linters, the builds, the tests of what was built. Every part runs; the exit code counts all.
# Parts that do not need each other run in lanes, two side by side; `run-tests.sh LANE` runs one lane alone.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
semester=(${SEMESTER:+"$SEMESTER"})
pytest=(.venv/bin/python -m pytest)
of_semester=("${semester[@]/#/--semester=}")
students=build/course-venv/bin
export OMP_WAIT_POLICY=PASSIVE # as in the products
export OMP_NUM_THREADS=1       # the lanes share the cores

lane_build() {
    part "build of the appliance" .venv/bin/practicum ova "${semester[@]}"
    part "build of the container images" .venv/bin/practicum docker "${semester[@]}"
    part "archive of an image" .venv/bin/practicum archive --product cpu "${semester[@]}"
}
lane_unit() {
    part "unit tests and linters" "${pytest[@]}" tests --ignore=tests/course
}
# The students' commands and content are tried in their own Python: the locked one, with pytest added.
lane_course() {
    part "the students' Python" .venv/bin/practicum venv build/course-venv "${semester[@]}"
    part "pytest in it" .venv/bin/uv pip install --quiet --python build/course-venv pytest pytest-timeout
    part "the course's commands" $students/python -m pytest tests/course
    part "the course's folder" .venv/bin/practicum content build/content --solutions "${semester[@]}"
    part "data sets" $students/course-data make --dir build/data
    export PYTORCH_DATA_DIR=$PWD/build/data
    part "practicals, projects and lectures" $students/python -m pytest smoke_tests/content --content build/content
    part "torch on this machine" $students/python -m pytest smoke_tests/compute
}
# The machine's tests take longest: what is asked of the appliance's tree alone is left to the other lanes.
packages=smoke_tests/appliance/test_packages.py
content=(smoke_tests/{appliance,container}/test_content.py)
ignored=("${content[@]/#/--ignore=}")
lane_appliance() {
    part "tests of the appliance" "${pytest[@]}" smoke_tests/appliance "--ignore=$packages" "${ignored[@]}" "${of_semester[@]}"
}
lane_images() {
    part "tests of the images" "${pytest[@]}" smoke_tests/container "$packages" "${ignored[@]}" "${of_semester[@]}"
}
lane_content() {
    part "content in the products" "${pytest[@]}" "${content[@]}" "${of_semester[@]}"
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

# By process: lanes that run, and what names the lane in each of its lines.
declare -A lanes filters
start() {
    local lane=$1 out filter
    exec {out}> >(exec sed --unbuffered "s/^/$lane | /")
    filter=$!
    # What a script puts in the background would else ignore Ctrl-C.
    setpriv --pdeathsig TERM env --default-signal=INT scripts/run-tests.sh "$lane" "$failures" >&"$out" 2>&1 &
    lanes[$!]=$lane
    filters[$!]=$filter
    exec {out}>&-
}
# Waits for a lane to end. It fails only when it was killed: what its parts did stands in the file.
finish_one() {
    local pid
    wait -n -p pid "${!lanes[@]}" || echo "== FAILED: ${lanes[$pid]}, whole" >>"$failures"
    wait "${filters[$pid]}"
    unset "lanes[$pid]"
}
# Starts the first lane that can start: products are tested when they are built. Fails when there is none.
start_next() {
    local number
    for number in "${!waiting[@]}"; do
        if [[ ${waiting[number]} == course || " ${lanes[*]} " != *" build "* ]]; then
            start "${waiting[number]}"
            unset "waiting[number]"
            return
        fi
    done
    return 1
}

failures=${2:-build/failed-parts}
(($# > 1)) || { mkdir -p build/logs && : >"$failures"; }
if (($#)); then
    "lane_$1"
else
    waiting=(appliance course images content)
    start build
    start unit
    while ((${#lanes[@]})); do
        finish_one
        while ((${#lanes[@]} < 2)) && start_next; do :; done
    done
fi
(($# > 1)) && exit
if [[ -s $failures ]]; then
    cat "$failures" >&2
    exit 1
fi
echo "== all passed"
