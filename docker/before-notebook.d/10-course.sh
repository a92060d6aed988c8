# shellcheck shell=bash
# Repairs what a killed server left, and brings the course's files home. Trouble is told, and never stops the start.
# Jupyter does it itself, in its settings (course_runtime/start/container.py): it has loaded most of what this needs, and
# a Python of its own would double the cost of the start. But root becomes the owner of the home for it.
# shellcheck disable=SC2154 # start.sh has it
if ((EUID)) && [[ ${course_command[0]##*/} =~ ^start-(notebook|singleuser)\.(py|sh)$ ]]; then
    export COURSE_PREPARE_HOME=1
else
    (
        if [[ -n ${JUPYTER_DOCKER_STACKS_QUIET-} ]]; then exec >/dev/null; else exec >&2; fi
        exec /usr/bin/python3 -I -S /opt/course/lib/course_runtime/start/prepare_home.py
    )
fi
