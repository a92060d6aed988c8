#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# start.sh COMMAND...: the entry point of the container. Runs the hooks, finds a home, then becomes the command.
# Started as root it first sets up the user, then starts itself again as that user: nothing that lies in the user's
# reach runs as root. Nothing here sets -e or -u, which sourced hooks would inherit.
# shellcheck source=../lib/log.sh
source /usr/local/lib/course/log.sh
# shellcheck source=../lib/accounts.sh
source /usr/local/lib/course/accounts.sh

# A sourced hook may change the positional parameters, but not this.
course_command=("$@") course_name=
if [[ $1 == --as-user ]]; then
    course_command=("${@:2}") course_name=$NB_USER
else
    # As other images want it, `docker run IMAGE start.sh ipython`; and in short, `docker run IMAGE --port=9000`.
    while [[ ${course_command[0]##*/} == start.sh ]]; do course_command=("${course_command[@]:1}"); done
    [[ ${course_command[0]} != -* ]] || course_command=(start-notebook.py "${course_command[@]}")

    # shellcheck source=run-hooks.sh
    source /usr/local/bin/run-hooks.sh /usr/local/bin/start-notebook.d
    # shellcheck source=../lib/settings.sh
    source /usr/local/lib/course/settings.sh
    check_settings
    if ((EUID == 0)); then
        # shellcheck source=../lib/root.sh
        source /usr/local/lib/course/root.sh
        become_user "${course_command[@]}"
    else
        warn_without_root
    fi
fi

course_settled=$(/usr/bin/python3 -I -S /opt/course/lib/course_runtime/files/home.py) && eval "$course_settled"
unset course_settled
[[ $PWD != /home/jovyan ]] || cd "$HOME" || true # the image's working directory is the image's home
name_user "$course_name"

# shellcheck source=run-hooks.sh
source /usr/local/bin/run-hooks.sh /usr/local/bin/before-notebook.d

IFS=', ' read -ra course_unset <<<"${JUPYTER_ENV_VARS_TO_UNSET-}"
((${#course_unset[@]} == 0)) || unset "${course_unset[@]}"
[[ -z ${NB_UMASK-} ]] || umask "$NB_UMASK"
((${#course_command[@]})) || course_command=(bash)
if ! type -P "${course_command[0]}" >/dev/null; then
    log ERROR "${course_command[0]@Q} is no command of this image"
    exit 127
fi
log INFO "$(find_name passwd "$EUID") ($EUID:$(id -g)) runs ${course_command[0]}"
# So that start-notebook.py knows whether it was started from here: exec keeps the process id.
export COURSE_START=$$
exec "${course_command[@]}"
