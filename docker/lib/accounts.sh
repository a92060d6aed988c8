# shellcheck shell=bash
# The tables of users and groups.

# put_first TABLE LINE [NAME]: prints /etc/TABLE with LINE first, where a look-up by name or by number meets it before
# any other, and without the older lines of its name and of NAME.
put_first() {
    printf '%s\n' "$2"
    awk -F: -v new="${2%%:*}" -v old="${3-}" '$1 != new && $1 != old' "/etc/$1"
}

# find_name TABLE ID: prints the name of an id, if it has one.
find_name() {
    local entry
    entry=$(getent "$1" "$2") && printf '%s\n' "${entry%%:*}"
}

# choose_group GID: prints the name for a group: the wanted one, the one it has, the user's; never one of another group.
choose_group() {
    local name gid
    for name in "${NB_GROUP-}" "$(find_name group "$1")" "$NB_USER" "group$1"; do
        IFS=: read -r _ _ gid _ < <(getent group "${name:--}")
        [[ -n $name && ${gid:-$1} == "$1" ]] && break
    done
    printf '%s\n' "$name"
}

# name_user [NAME]: gives the user a name if it has none, or another than NAME: ssh, git and whoami want one. The tables
# of the container cannot be written here, so a library shows the programs copies of them. Sets course_user to the name.
name_user() {
    local folder library
    course_user=$(find_name passwd "$EUID")
    [[ -z $course_user || $course_user != "${1:-$course_user}" ]] || return 0
    (umask 077 && mkdir -p "$JUPYTER_RUNTIME_DIR")
    for library in /usr/lib/*/libnss_wrapper.so; do
        if [[ -e $library ]] && folder=$(mktemp -d "$JUPYTER_RUNTIME_DIR/accounts-XXXXXX"); then
            put_first passwd "$NB_USER:*:$EUID:$(id -g)::$HOME:/bin/bash" >"$folder/passwd"
            put_first group "$(choose_group "$(id -g)"):x:$(id -g):" >"$folder/group"
            export NSS_WRAPPER_PASSWD=$folder/passwd NSS_WRAPPER_GROUP=$folder/group
            export LD_PRELOAD=${LD_PRELOAD:+$LD_PRELOAD:}${library##*/}
            course_user=$NB_USER
            return
        fi
    done
}
