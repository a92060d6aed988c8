# shellcheck shell=bash
# Repairs what a killed server left, then brings the course's files home. Trouble is told, and never stops the start.
course_arrive() {
    if [[ -n ${JUPYTER_DOCKER_STACKS_QUIET-} ]]; then exec >/dev/null; else exec >&2; fi
    exec /usr/bin/python3 -I -S /opt/course/lib/course_runtime/start/prepare_home.py
}

# Jupyter takes a second until it looks at the home: meanwhile. Its settings wait for this child of the process that it
# becomes (course_runtime/start/serving.py); under RESTARTABLE it is another process, and other commands do not wait.
# shellcheck disable=SC2154 # start.sh has it
if [[ ${course_command[0]##*/} =~ ^start-(notebook|singleuser)\.(py|sh)$ ]] && ! is_yes RESTARTABLE; then
    course_arrive &
    export COURSE_ARRIVAL=$!
else
    (course_arrive)
fi
unset -f course_arrive
