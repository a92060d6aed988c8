#!/bin/bash
# run-hooks.sh FOLDER: in the order of their names, sources each *.sh of the folder and runs each other executable file.
# start.sh sources it, so that a sourced hook can change the environment of the command. A hook that fails is told and
# passed over; one that calls `exit`, or fails under its own `set -e`, ends the start.
# shellcheck source=../lib/log.sh source-path=SCRIPTDIR
source /usr/local/lib/course/log.sh

if (($# != 1)) || [[ ! -d $1 ]]; then
    log ERROR "run-hooks.sh: ${1:-nothing} is no folder: give one"
    # shellcheck disable=SC2317 # sourced it returns, run it exits
    return 2 2>/dev/null || exit 2
fi

for course_hook in "$1"/*; do
    course_status=0
    if [[ -f $course_hook && $course_hook == *.sh ]]; then
        log INFO "sourcing $course_hook"
        course_options=$(set +o)
        trap 'log ERROR "$course_hook ended the start with status $?"' EXIT
        # shellcheck disable=SC1090 # whatever is in the folder
        source "$course_hook" # no `||`, which would switch off `set -e` in there
        course_status=$?
        trap - EXIT
        eval "$course_options" # `set -e` of a hook is for itself
    elif [[ -f $course_hook && -x $course_hook ]]; then
        log INFO "running $course_hook"
        "$course_hook" || course_status=$?
    fi
    ((course_status == 0)) || log WARNING "$course_hook failed with status $course_status; the start goes on"
done
unset course_hook course_status course_options
