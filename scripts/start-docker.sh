#!/usr/bin/env bash
# Makes the docker daemon answer, within a minute or not at all. It listens on its Unix socket only.
set -euo pipefail
cd "$(dirname "$0")/.."
log=build/dockerd.log

answers() { timeout 10 docker version >/dev/null 2>&1; }

answers && exit 0
if ((EUID != 0)); then
    echo "docker: the daemon does not answer; start it as root, or: sudo make docker-daemon" >&2
    exit 2
fi
mkdir -p build
if [[ -d /run/systemd/system ]]; then
    systemctl start docker
    log="journalctl --unit docker"
elif command -v dockerd >/dev/null; then
    echo "docker: starting the daemon, log in $log"
    setsid nohup dockerd --host unix:///var/run/docker.sock >>"$log" 2>&1 </dev/null &
    daemon=$!
else
    echo "docker: no daemon on this machine; install with: apt-get install docker.io" >&2
    exit 2
fi

deadline=$((SECONDS + 60))
until answers; do
    if ((SECONDS >= deadline)); then
        echo "docker: the daemon does not answer after 60 s; see $log" >&2
        exit 2
    fi
    if [[ -n ${daemon-} ]] && ! kill -0 "$daemon" 2>/dev/null; then
        echo "docker: the daemon ended: $(tail -n 1 "$log"); see $log" >&2
        exit 2
    fi
    sleep 0.2
done
