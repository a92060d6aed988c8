# shellcheck shell=bash
# A start as root: sets up NB_USER as the variables ask, and goes on as that user.
# A container can be started again with what an earlier start left in it: every step can be repeated.

# become_user COMMAND...: returns only where the command is to run as root, or cannot run as anybody else.
become_user() {
    local home=/home/$NB_USER extra groups
    check_root_settings
    if [[ $NB_UID == 0 || $NB_USER == root ]]; then
        NB_UID=0 home=$HOME
        take_ownership
        return
    fi
    # The groups of `docker run --group-add` stay, that of root goes.
    groups=$(id -G | tr ' ' '\n' | grep -vx -e 0 -e "$DEFAULT_GID" | tr '\n' ',')$DEFAULT_GID
    # shellcheck disable=SC2153 # NB_GID is no misspelling
    local become=(setpriv --reuid="$NB_UID" --regid="$NB_GID" --groups="$groups" --inh-caps=-all)
    if ! "${become[@]}" /bin/true 2>/dev/null; then
        log WARNING "root may not become $NB_USER here and runs the command itself:" \
            "start without --cap-drop, or with --user $NB_UID"
        return
    fi
    write_account
    make_home
    take_ownership
    grant_sudo
    export HOME=$home USER=$NB_USER LOGNAME=$NB_USER
    exec "${become[@]}" /usr/local/bin/start.sh --as-user "$@"
}

# Checks what only a start as root uses, before anything is changed, and fills the list `extra`.
check_root_settings() {
    local folder uid
    IFS=, read -ra extra <<<"${CHOWN_EXTRA-}"
    extra=("${extra[@]# }")
    for folder in "${extra[@]}"; do
        [[ $folder == /* && -d $folder ]] ||
            fail "CHOWN_EXTRA: ${folder@Q} is no folder: give absolute paths with commas between them"
    done
    uid=$(id -u -- "$NB_USER" 2>/dev/null) || return 0
    ((uid == NB_UID || uid == 0 || (uid >= 1000 && uid < 65534))) ||
        fail "NB_USER=$NB_USER is an account of the system: give another name, or NB_UID=$uid"
}

# Writes the user and the group into the container's tables, if they are not there as they should be.
write_account() {
    local name uid gid place group
    IFS=: read -r name _ uid gid _ place _ < <(getent passwd "$NB_UID")
    [[ $name:$uid:$gid:$place == "$NB_USER:$NB_UID:$NB_GID:$home" ]] ||
        replace_table passwd "$NB_USER:*:$NB_UID:$NB_GID::$home:/bin/bash" "$DEFAULT_USER"
    group=$(choose_group "$NB_GID")
    [[ $group == "$(find_name group "$NB_GID")" ]] || replace_table group "$group:x:$NB_GID:"
}

# replace_table TABLE LINE [NAME]: as put_first, in the container itself; all or, on a read-only root, nothing.
replace_table() {
    local new=/etc/$1.course
    { put_first "$@" >"$new" && chmod --reference="/etc/$1" "$new" && mv -f "$new" "/etc/$1"; } 2>/dev/null ||
        rm -f "$new"
}

# Makes a home that is not there yet, as a copy of the image's, and gives the user one that nobody mounted.
make_home() {
    local model=/home/$DEFAULT_USER
    if [[ ! -d $home || $home != "$model" && -z $(ls -A "$home") ]] && ! mountpoint -q "$home"; then
        copy_home "$model" || log WARNING "$home cannot be made: mount a folder there, or start without --read-only"
        cd "$PWD" 2>/dev/null || cd / # the working directory may be the folder that was replaced
    fi
    [[ ! -d $home ]] || is_yes CHOWN_HOME || mountpoint -q "$home" || give "" "$home"
}

# copy_home MODEL: makes $home of the folder MODEL; what is mounted in that stays there alone.
copy_home() {
    local model=$1 new=/home/.course-new
    rm -rf --one-file-system "$new"
    {
        mkdir "$new" &&
            if [[ -d $model ]] && ! mountpoint -q "$model"; then cp --archive --one-file-system "$model/." "$new"; fi &&
            chown -R "$NB_UID:$NB_GID" "$new" &&
            mv --no-target-directory "$new" "$home"
    } 2>/dev/null
}

take_ownership() {
    ! is_yes CHOWN_HOME || give "${CHOWN_HOME_OPTS-}" "$home"
    ((${#extra[@]} == 0)) || give "${CHOWN_EXTRA_OPTS-}" "${extra[@]}"
}

# give OPTIONS PATH...: chown to the user; what cannot be given is told, and left.
give() {
    local options told
    read -ra options <<<"$1"
    told=$(chown "${options[@]}" "$NB_UID:$NB_GID" -- "${@:2}" 2>&1) || log WARNING "${told%%$'\n'*}"
}

# Lets the user run everything through sudo, or takes back what an earlier start granted.
grant_sudo() {
    local rules=/etc/sudoers.d/course-${NB_USER//[!A-Za-z0-9_-]/_} # a file with a dot in its name would not count
    rm -f /etc/sudoers.d/course-* 2>/dev/null
    is_yes GRANT_SUDO || return 0
    if grep -q '^NoNewPrivs:[[:space:]]*1' /proc/self/status; then
        log WARNING "GRANT_SUDO: this container forbids new privileges; start without --security-opt no-new-privileges"
    elif ! write_rules "$rules" 2>/dev/null; then
        log WARNING "GRANT_SUDO: $rules cannot be written; start without --read-only"
    fi
}

write_rules() {
    local new=/etc/sudoers.d/.course.new
    # By number: a name may hold characters that mean something to sudo.
    install --mode=0440 <(printf '#%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$NB_UID") "$new" &&
        visudo -cqf "$new" && mv -f "$new" "$1"
}
