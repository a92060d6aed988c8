#!/usr/bin/env bash
# The whole proof: unit tests and linters, the build, the tests of what was built. Every part runs; the exit code counts all.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
failed=()
export OMP_WAIT_POLICY=PASSIVE # as in the products

# A part must not outlive this script, even when that is killed.
part() {
    local title=$1
    shift
    echo "== $title"
    setpriv --pdeathsig TERM "$@" || failed+=("$title")
}

# The students' commands and content are tried in the students' own Python: the locked one, with pytest added.
test_course() {
    .venv/bin/practicum venv build/course-venv ${SEMESTER:+"$SEMESTER"} &&
        .venv/bin/uv pip install --quiet --python build/course-venv pytest pytest-timeout &&
        build/course-venv/bin/python -m pytest tests/course
}
# Every practical, project and lecture in that Python, on the data that a product has.
test_content() {
    .venv/bin/practicum content build/content --solutions ${SEMESTER:+"$SEMESTER"} &&
        build/course-venv/bin/course-data make --dir build/data &&
        PYTORCH_DATA_DIR=$PWD/build/data build/course-venv/bin/python -m pytest smoke_tests/content --content build/content
}
export -f test_course test_content

part "unit tests and linters" .venv/bin/python -m pytest tests --ignore=tests/course
part "build of the appliance" .venv/bin/practicum ova ${SEMESTER:+"$SEMESTER"}
part "build of the container images" .venv/bin/practicum docker ${SEMESTER:+"$SEMESTER"}
part "archive of an image" .venv/bin/practicum archive --product cpu ${SEMESTER:+"$SEMESTER"}
part "course content in the students' Python" bash -c test_course
part "practicals, projects and lectures" bash -c test_content
part "torch on this machine" build/course-venv/bin/python -m pytest smoke_tests/compute
part "tests of the products" .venv/bin/python -m pytest smoke_tests ${SEMESTER:+"--semester=$SEMESTER"}

if ((${#failed[@]})); then
    printf '== FAILED: %s\n' "${failed[@]}" >&2
    exit 1
fi
echo "== all passed"
