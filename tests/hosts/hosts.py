"""Hosts of their own on one machine, as namespaces: each has its address, its name and its disk."""

import os
import subprocess
import sys
from pathlib import Path

NETWORK = "10.77.0."
BRIDGE = f"{NETWORK}254"  # of whoever makes the hosts
DISK = "/disk"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/proc", "/sys", "/dev")
# A root in memory, with the system's programs and this Python's to read; nothing else of this machine is left.
MAKE_ROOT = """
set -e
root=$1 name=$2 hosts=$3 disk=$4; shift 4
hostname "$name"
mount -t tmpfs tmpfs "$root"
for folder in "$@"; do
    mkdir -p "$root$(dirname "$folder")"
    if [ -L "$folder" ]; then
        cp -P "$folder" "$root$folder"
    else
        mkdir -p "$root$folder"
        mount --rbind "$folder" "$root$folder"
        case "$folder" in /proc|/sys|/dev) ;; *) mount -o remount,bind,ro "$root$folder" ;; esac
    fi
done
mount --bind "$hosts" "$root/etc/hosts"
mkdir -m 1777 "$root/tmp"
mkdir "$root/disk"
[ -z "$disk" ] || mount --bind "$disk" "$root/disk"
mkdir "$root/old"
cd "$root"
pivot_root . old
umount --lazy /old
echo made
exec sleep infinity
"""


def shared_folders() -> list[str]:
    """What a host has of this machine, to read: the system, and this Python with its libraries."""
    python = {sys.prefix, os.path.realpath(sys.prefix), sys.base_prefix, os.path.realpath(sys.base_prefix)}
    return [*filter(os.path.exists, SYSTEM), *sorted(path for path in python if not path.startswith("/usr"))]


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


class Host:
    """A machine with an address. Only `disk`, if there is one, is seen from outside; else its disk is memory."""

    def __init__(self, name: str, address: str, folder: Path, disk: Path | None = None) -> None:
        self.name = name
        self.address = address
        self._log = folder / f"{name}.log"
        root = folder / "roots" / name
        root.mkdir(parents=True)
        own = ["unshare", "--net", "--mount", "--uts", "sh", "-c", MAKE_ROOT, "sh"]
        options = [str(root), name, str(folder / "hosts"), "" if disk is None else str(disk)]
        self._first = subprocess.Popen([*own, *options, *shared_folders()], stdout=subprocess.PIPE)
        assert self._first.stdout is not None
        if self._first.stdout.readline() != b"made\n":
            raise OSError(f"the host {name} cannot be made")
        ip("link", "add", "name", name, "type", "veth", "peer", "name", "eth0", "netns", str(self._first.pid))
        ip("link", "set", "dev", name, "master", "hosts", "up")
        for command in (f"address add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            subprocess.run([*self._entering("--net"), "ip", *command.split()], check=True)

    def start(self, script: str, **variables: str) -> subprocess.Popen[bytes]:
        """Start a script of bash on this host, in the folder of its disk; what it prints is in the host's log."""
        environment = {
            "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": DISK, "LANG": "C.UTF-8",
            "TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1",
        }  # fmt: skip
        command = [*self._entering("--net", "--mount", "--uts", "--root", "--wd"), "bash", "-c"]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*command, f"cd {DISK}\n{script}"], cwd="/", env=environment | variables, stdout=log, stderr=log
            )

    def run(self, script: str, **variables: str) -> None:
        """As `start`, and wait for it; raises OSError where it fails."""
        if self.start(script, **variables).wait(timeout=120) != 0:
            raise OSError(f"{self.name}: {script}: {self.log[-2000:]}")

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def cut_off(self) -> None:
        """Nothing reaches this host any more, nor does it reach anything; its processes go on."""
        ip("link", "set", "dev", self.name, "down")

    def _entering(self, *namespaces: str) -> list[str]:
        return ["nsenter", "--target", str(self._first.pid), *namespaces]


def make_hosts(folder: Path, disks: dict[str, Path | None]) -> dict[str, Host]:
    """A host for each name, on one network; `disks` says which of them has a folder of this machine as its disk."""
    addresses = {name: f"{NETWORK}{number}" for number, name in enumerate(disks, start=1)}
    table = [f"{address} {name}\n" for name, address in {"localhost": "127.0.0.1", **addresses}.items()]
    (folder / "hosts").write_text("".join(table), encoding="utf-8")
    ip("link", "add", "hosts", "type", "bridge")
    ip("address", "add", f"{BRIDGE}/24", "dev", "hosts")
    ip("link", "set", "hosts", "up")
    return {name: Host(name, addresses[name], folder, disk) for name, disk in disks.items()}
