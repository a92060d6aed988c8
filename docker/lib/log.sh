# shellcheck shell=bash
# Messages of the start: one line each on standard error.

# log LEVEL TEXT: JUPYTER_DOCKER_STACKS_QUIET silences INFO; nothing silences WARNING and ERROR.
log() {
    [[ $1 == INFO && -n ${JUPYTER_DOCKER_STACKS_QUIET-} ]] || printf '%s: %s\n' "$1" "${*:2}" >&2
}

# fail TEXT: a setting is wrong and nothing was done yet.
fail() {
    log ERROR "$*"
    exit 2
}
