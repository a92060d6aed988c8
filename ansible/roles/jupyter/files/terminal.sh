# shellcheck shell=bash
# What JupyterLab's terminals read: all that a login shell reads; then the course's Python goes first again, before the
# conda or pyenv that the files of a home may have put there.
# shellcheck disable=SC1091 # the files of whoever logs in
. /etc/profile
for course_file in ~/.bash_profile ~/.bash_login ~/.profile; do
    if [[ -r $course_file ]]; then
        # shellcheck disable=SC1090
        . "$course_file"
        break
    fi
done
course_python=$(type -P python)
if [[ $course_python != /opt/venv/bin/python ]]; then
    PATH=/opt/venv/bin:${PYTHONUSERBASE:-$HOME/.local}/bin:$PATH
    unset PYTHONHOME
    echo "This terminal uses the course's Python. A file of your home had put another first: ${course_python:-none}"
fi
unset course_file course_python
