# shellcheck shell=bash
# Repairs what a killed server left, then brings the course's files home. Trouble is told, and never stops the start.
course_prepare_home() {
    if [[ -n ${JUPYTER_DOCKER_STACKS_QUIET-} ]]; then exec >/dev/null; else exec >&2; fi
    exec /usr/bin/python3 -I -S /opt/course/lib/course_runtime/start/prepare_home.py
}

# Runs in the background: Jupyter needs a second before it reads the home. Its settings (course_runtime/start/container.py)
# wait for this process, which is a child of the process that Jupyter becomes. Under RESTARTABLE Jupyter is another
# process, and other commands than Jupyter do not wait.
# shellcheck disable=SC2154 # start.sh has it
if [[ ${course_command[0]##*/} =~ ^start-(notebook|singleuser)\.(py|sh)$ ]] && ! is_yes RESTARTABLE; then
    course_prepare_home &
    export COURSE_PREPARE_HOME_PID=$!
else
    (course_prepare_home)
fi
unset -f course_prepare_home
