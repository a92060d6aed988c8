#!/usr/bin/env bash
# make-emulator.sh: makes the kernel run programs of other processors, also in containers, by QEMU's emulator.
# The folder of the registrations must be there before the packages are installed: else they register nothing, and say nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${BINFMT:-/proc/sys/fs/binfmt_misc}
PATH=$PATH:/usr/sbin:/sbin

if [[ ! -e $folder/register ]]; then
    if ((EUID != 0)); then
        echo "emulator: run as root: mount -t binfmt_misc none $folder" >&2
        exit 2
    fi
    if ! mount -t binfmt_misc none "$folder"; then
        echo "emulator: this machine may not mount $folder: in a container, run make emulator on its host" >&2
        exit 2
    fi
fi
"$here/install-deps.sh" emulator
# Installed before the folder was there, or removed and installed again.
for name in /usr/share/binfmts/qemu-*; do
    name=${name##*/}
    [[ $name == "qemu-*" || -e $folder/$name ]] || update-binfmts --import "$name"
done
