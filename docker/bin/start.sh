#!/bin/bash
# shellcheck source-path=SCRIPTDIR
# start.sh COMMAND...: the entry point of the container. Runs the hooks, finds a home, then becomes the command.
# Started as root it first sets up the user, then starts itself again as that user: nothing that lies in the user's
# reach runs as root. Nothing here sets -e or -u, which sourced hooks would inherit.
#
# Who calls whom:
#   tini ─ start.sh ─┬ start-notebook.d/*          hooks, before a variable is read
#                    ├ settings.sh                 checks the variables; switches.py tells it what is yes and what is no
#                    ├ root.sh                     as root: makes the user, then start.sh --as-user COMMAND...
#                    ├ files/home.py               prints HOME and other variables as export lines, evaluated here
#                    ├ before-notebook.d/*         10-course.sh runs start/prepare_home.py, or leaves that to Jupyter; hooks
#                    └ exec COMMAND                start-notebook.py, which becomes jupyter-lab or start-singleuser.py
#   jupyter-lab reads /etc/jupyter/jupyter_server_config.py, which calls start/container.py; that calls files/prepare.py.
#   course-health asks the server; the extension start/welcome.py ends the log with the GPU and the address.
# A start past start.sh (pyxis, apptainer exec) has no exports: a .pth file then calls files/home.py in every Python, and
# container.py brings the course home itself.
#
# Variables that carry something from one to another:
#   COURSE_START_PID          the process that start.sh becomes: who has another number was not started from here
#   COURSE_PREPARE_HOME       asks container.py for what prepare_home.py does for other commands
#   COURSE_TEMPORARY_HOME     the home, if home.py found none that outlives the container: course-doctor warns of it
#   COURSE_NAME               the semester's name: where pip puts packages (from the image)
#   JUPYTER_RUNTIME_DIR       where servers leave their records: course-health, bye and course-doctor look there
# shellcheck source=../lib/log.sh
source /usr/local/lib/course/log.sh
# shellcheck source=../lib/accounts.sh
source /usr/local/lib/course/accounts.sh
# shellcheck source=../lib/settings.sh
source /usr/local/lib/course/settings.sh

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
    check_settings
    if ((EUID == 0)); then
        # shellcheck source=../lib/root.sh
        source /usr/local/lib/course/root.sh
        become_user "${course_command[@]}"
    else
        warn_without_root
    fi
fi

course_exports=$(/usr/bin/python3 -I -S /opt/course/lib/course_runtime/files/home.py) && eval "$course_exports"
unset course_exports
[[ $PWD != /home/jovyan ]] || cd "$HOME" || true # the image's working directory is the image's home
name_user "$course_name" # and keeps the name in course_user

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
log INFO "$course_user ($EUID:${GROUPS[0]}) runs ${course_command[0]}"
# So that start-notebook.py knows whether it was started from here: exec keeps the process id.
export COURSE_START_PID=$$
exec "${course_command[@]}"
