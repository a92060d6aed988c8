#!/usr/bin/env bash
# runner.sh: makes room on a hosted runner, opens KVM where there is one, and says what the runner has.
set -euo pipefail

if [[ ${RUNNER_ENVIRONMENT-} == github-hosted ]]; then
    # Some runners of one image have 18 GB free, others 87 GB. No build uses these.
    rm -rf --one-file-system /usr/share/dotnet /usr/local/lib/android /opt/ghc
    echo 'KERNEL=="kvm", GROUP="kvm", MODE="0666", OPTIONS+="static_node=kvm"' >/etc/udev/rules.d/99-practicum-kvm.rules
    udevadm control --reload-rules && udevadm trigger --name-match=kvm || echo "runner: udev did not take the rule for KVM"
fi

# KVM works only if the device opens: its file may be there without the right to use it, or without the processor's support.
# The test for a device comes first, because a shell that opens a missing file for writing makes it.
kvm=/dev/kvm
if [[ -c $kvm ]] && { : <>"$kvm"; } 2>/dev/null; then
    echo "runner: KVM opens"
else
    echo "runner: no KVM"
fi
df --human-readable --output=avail,target / "${XDG_CACHE_HOME:-$HOME}" 2>/dev/null || df --human-readable /
