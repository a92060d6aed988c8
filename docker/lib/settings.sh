# shellcheck shell=bash
# The variables of the start: their defaults, what they may hold, and what to say of those that come without root.

DEFAULT_USER=jovyan DEFAULT_UID=1000 DEFAULT_GID=100
HIGHEST_ID=2147483647

# Fills in the defaults and stops at the first wrong value, before anything is changed.
check_settings() {
    export NB_USER=${NB_USER:-$DEFAULT_USER} NB_UID=${NB_UID:-$DEFAULT_UID} NB_GID=${NB_GID:-$DEFAULT_GID}
    local names name switch
    check_name NB_USER
    check_id NB_UID
    check_id NB_GID
    [[ -z ${NB_GROUP-} ]] || check_name NB_GROUP
    [[ ${NB_UMASK:-022} =~ ^[0-7]{1,4}$ ]] ||
        fail "NB_UMASK=${NB_UMASK@Q} is no umask: give octal digits, for example 002"
    for switch in CHOWN_HOME GRANT_SUDO GEN_CERT RESTARTABLE; do is_yes "$switch"; done
    check_chown_options CHOWN_HOME_OPTS
    check_chown_options CHOWN_EXTRA_OPTS
    IFS=', ' read -ra names <<<"${JUPYTER_ENV_VARS_TO_UNSET-}"
    for name in "${names[@]}"; do
        [[ $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] ||
            fail "JUPYTER_ENV_VARS_TO_UNSET: ${name@Q} is no name of a variable: give names with commas between them"
    done
}

# check_name NAME: the variable called NAME holds what can be a name in /etc/passwd and /etc/group.
check_name() {
    local value=${!1}
    [[ $value =~ ^[A-Za-z_][A-Za-z0-9_.@+-]{0,63}$ ]] ||
        fail "$1=${value@Q} is no name: give a letter, then up to 63 letters, digits, or any of _ . @ + -"
}

# check_id NAME: the variable called NAME holds a user or group id.
check_id() {
    local value=${!1}
    { [[ $value =~ ^(0|[1-9][0-9]{0,9})$ ]] && ((value <= HIGHEST_ID)); } ||
        fail "$1=${value@Q} is no id: give a number from 0 to $HIGHEST_ID"
}

# check_chown_options NAME: the variable called NAME holds options of chown, as chown itself sees it.
check_chown_options() {
    local value=${!1-} words
    [[ -n $value ]] || return 0
    read -ra words <<<"$value"
    { [[ " $value" != *[[:space:]][!-[:space:]]* ]] && chown "${words[@]}" --help >/dev/null 2>&1; } ||
        fail "$1=${value@Q} is no option of chown: give for example -R"
}

# is_yes NAME: whether the switch called NAME is on. The start's programs read switches, too: one of them decides.
is_yes() {
    local told status=0
    [[ -n ${!1-} ]] || return 1
    told=$(/usr/bin/python3 -I -S /opt/course/lib/course_runtime/start/switches.py "$1" "${!1}") || status=$?
    ((status < 2)) || fail "$told"
    return "$status"
}

# Names the variables that ask for what only root can do, in a start without root.
warn_without_root() {
    local vain=() name=$NB_USER
    [[ $NB_USER == "$DEFAULT_USER" ]] || name=$(find_name passwd "$EUID")
    [[ $NB_USER == "${name:-$NB_USER}" ]] || vain+=(NB_USER) # an unknown id gets the wanted name
    [[ $NB_UID == "$DEFAULT_UID" || $NB_UID == "$EUID" ]] || vain+=(NB_UID)
    [[ $NB_GID == "$DEFAULT_GID" || $NB_GID == "$(id -g)" ]] || vain+=(NB_GID)
    ! is_yes CHOWN_HOME || vain+=(CHOWN_HOME)
    [[ -z ${CHOWN_EXTRA-} ]] || vain+=(CHOWN_EXTRA)
    ! is_yes GRANT_SUDO || vain+=(GRANT_SUDO)
    ((${#vain[@]} == 0)) || log WARNING "without root these do nothing: ${vain[*]}; start with: docker run --user root"
}
