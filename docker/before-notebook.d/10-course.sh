# shellcheck shell=bash
# Repairs what a killed server left, then brings the course's files home. Trouble is told, and never stops the start.
if [[ -n ${JUPYTER_DOCKER_STACKS_QUIET-} ]]; then
    { course-recover; course-sync --home "$HOME"; } >/dev/null
else
    { course-recover; course-sync --home "$HOME"; } >&2
fi
