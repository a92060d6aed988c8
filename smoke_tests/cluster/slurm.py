"""A real Slurm: its controller on the first machine, and a daemon on each of the others."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smoke_tests.cluster.machine import Machine, connect
from smoke_tests.waiting import PATIENCE, wait_until

# A node that does not answer for SlurmdTimeout seconds is down. A node's GPU is a file that nobody reads: the jobs
# ask for one, as on a real cluster.
CONFIG = """
ClusterName=ee559
SlurmctldHost={controller}
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/builtin
SchedulerParameters=requeue_delay=1
SlurmdParameters=config_overrides
SlurmdTimeout=10
KillWait=5
ReturnToService=2
MpiDefault=none
GresTypes=gpu
NodeName={nodes} CPUs=8 RealMemory=64000 Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES State=UP
"""

FILES = {
    "slurm.conf": CONFIG,
    "cgroup.conf": "CgroupPlugin=disabled\n",
    "gres.conf": "Name=gpu File=/dev/gpu0\n",
}

BEGUN, ENDED = ("RUNNING",), ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")


@dataclass(frozen=True)
class Slurm:
    """The cluster as its users see it: they type on the login machine, which is the controller, too."""

    login: Machine
    nodes: list[Machine]
    key: str
    logs: Path

    def submit(self, line: str) -> str:
        """Run a line with `sbatch` on the login machine and return the job's number."""
        words = self.login.succeed(line).split()
        assert words[:3] == ["Submitted", "batch", "job"], words
        return words[3]

    def describe(self, job: str) -> dict[str, str]:
        """Return what `scontrol` knows of a job."""
        shown = self.login.succeed(f"scontrol show job {job}")
        return dict(word.split("=", 1) for word in shown.split() if "=" in word)

    def wait_state(self, job: str, states: Sequence[str]) -> dict[str, str]:
        """Wait until the job has one of `states`; fail when it has ended in another."""

        def holds() -> bool:
            state = self.describe(job)["JobState"]
            assert state in states or state not in ENDED, f"job {job} is {state}: {self.read_log(job)}"
            return state in states

        wait_until(holds, f"job {job} is {' or '.join(states)}", pause=0.5)
        return self.describe(job)

    def read_log(self, job: str) -> str:
        """Return what the job has printed."""
        return self.login.as_user(f"cat \"$(scontrol show job {job} | sed -n 's/^ *StdOut=//p')\"").output

    def has_ended(self, job: str) -> bool:
        """Return whether a job will not run any more."""
        return self.describe(job)["JobState"] in ENDED

    def find_node(self, name: str) -> Machine:
        """Return the node of this name."""
        return next(node for node in self.nodes if node.name == name)

    def replace_node(self, new: Machine) -> None:
        """Take a machine that was just switched on for the one of its name that was lost."""
        self.nodes[:] = [new if node.name == new.name else node for node in self.nodes]
        connect(self.login, new)
        new.as_root("cat >/etc/hosts", stdin=self.login.as_root("cat /etc/hosts").stdout)
        configure(new, self.key, self.login, self.nodes)
        start_munge(new, self.logs)
        start_node(new, self.logs)

    def wait_idle(self) -> None:
        """Wait until the controller knows all nodes, and no job runs on them."""
        idle = len(self.nodes)
        wait_until(
            lambda: self.login.as_root("sinfo --noheader --Node --format=%t").stdout.split() == ["idle"] * idle,
            f"{idle} idle nodes",
            pause=0.5,
        )


def start(login: Machine, nodes: Sequence[Machine], logs: Path) -> Slurm:
    """Start munge on all machines, the controller and the nodes' daemons; they end with their machines."""
    key = secrets.token_hex(64)
    for machine in (login, *nodes):
        configure(machine, key, login, nodes)
        start_munge(machine, logs)
    login.serve(["slurmctld", "-D"], logs / "slurmctld.log")
    for node in nodes:
        start_node(node, logs)
    slurm = Slurm(login, [*nodes], key, logs)
    wait_until(lambda: login.as_root("scontrol ping").returncode == 0, "slurmctld answers", PATIENCE, pause=0.5)
    slurm.wait_idle()
    return slurm


def configure(machine: Machine, key: str, login: Machine, nodes: Sequence[Machine]) -> None:
    """Write the settings of munge and Slurm."""
    names = ",".join(node.name for node in nodes)
    for name, text in FILES.items():
        filled = text.replace("{controller}", login.name).replace("{nodes}", names)
        machine.as_root(f"mkdir -p /etc/slurm && cat >/etc/slurm/{name}", stdin=filled)
    machine.as_root("mkdir -p /etc/munge && cat >/etc/munge/munge.key", stdin=key)
    machine.as_root("chown munge: /etc/munge/munge.key && chmod 400 /etc/munge/munge.key")
    machine.as_root("mkdir -p /var/spool/slurmctld /var/spool/slurmd && mknod -m 666 /dev/gpu0 c 1 3")


def start_munge(machine: Machine, logs: Path) -> None:
    """Start munge, by which Slurm's daemons know who speaks."""
    machine.as_root("install -d -o munge -g munge -m 755 /run/munge")
    machine.serve(["runuser", "-u", "munge", "--", "munged", "--foreground"], logs / f"munged-{machine.name}.log")
    wait_until(lambda: machine.as_root("munge -n | unmunge").returncode == 0, f"munge on {machine.name}")


def start_node(node: Machine, logs: Path) -> None:
    """Start the daemon that runs the jobs."""
    node.serve(["slurmd", "-D", "-N", node.name], logs / f"slurmd-{node.name}.log")
