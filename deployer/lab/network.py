"""The lab's own network: one bridge and one cable (veth) per host, in addresses set aside for benchmarks.

IPv4 comes from 198.18.0.0/15 (RFC 2544), one /24 per lab; IPv6 from a unique local prefix (RFC 4193), one /64
per lab. Nothing is routed to the outside, so a host that asks for more fails at once.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

from deployer.errors import UsageError

NETWORKS = 512  #: how many /24 there are in a /15
MAX_HOSTS = 240
_FIRST_HOST = 10
_IP_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Network:
    """Names and addresses of lab number ``index``. Interface names stay under the kernel's 15 characters."""

    index: int

    @property
    def bridge(self) -> str:
        return f"dlab{self.index}"

    def cable(self, number: int) -> str:
        """The machine's end of host ``number``'s cable; the host's end is its ``eth0``."""
        return f"dlab{self.index}h{number}"

    def address(self, number: int) -> str:
        return f"198.{18 + self.index // 256}.{self.index % 256}.{_FIRST_HOST + number}"

    def address6(self, number: int) -> str:
        return str(IPv6Address(f"fd00:6c61:6200:{self.index:x}::{_FIRST_HOST + number:x}"))

    @property
    def gateway(self) -> str:
        return f"198.{18 + self.index // 256}.{self.index % 256}.1"

    @property
    def gateway6(self) -> str:
        return f"fd00:6c61:6200:{self.index:x}::1"

    def hardware(self, number: int) -> str:
        """A fixed address per host, so that nobody's neighbour table goes stale when it reboots."""
        return f"02:6c:{self.index >> 8:02x}:{self.index & 255:02x}:00:{number:02x}"

    def make(self) -> None:
        """Make the bridge."""
        _ip(
            f"link add {self.bridge} type bridge stp_state 0 mcast_snooping 0",
            f"address add {self.gateway}/24 dev {self.bridge}",
            f"address add {self.gateway6}/64 dev {self.bridge} nodad",
            f"link set {self.bridge} up",
        )

    def plug(self, number: int, pid: int, *, up: bool) -> None:
        """Lay the cable between the bridge and the network namespace of process ``pid``."""
        cable, mac = self.cable(number), self.hardware(number)
        self.unplug(number)  # the last life's cable goes only when the kernel gets round to it
        _ip(
            f"link add {cable} type veth peer name eth0 address {mac} netns {pid}",
            f"link set {cable} master {self.bridge} {'up' if up else 'down'}",
        )

    def unplug(self, number: int) -> None:
        if self._exists(self.cable(number)):
            _ip(f"link delete {self.cable(number)}", force=True)

    def set_cable(self, number: int, *, up: bool) -> None:
        _ip(f"link set {self.cable(number)} {'up' if up else 'down'}")

    def remove(self) -> None:
        """Take away the bridge and every cable that is still there."""
        names = self.links()
        if names:
            _ip(*(f"link delete {name}" for name in names), force=True)

    def links(self) -> list[str]:
        """The lab's links on the machine's side, the bridge first."""
        here = [entry.name for entry in Path("/sys/class/net").iterdir()]
        return sorted(name for name in here if name == self.bridge or name.startswith(f"{self.bridge}h"))

    @staticmethod
    def _exists(link: str) -> bool:
        return Path("/sys/class/net", link).exists()


def taken_networks() -> set[int]:
    """Lab networks of which an address or a link is already on this machine, whoever made it."""
    out = subprocess.run(
        ["ip", "-o", "-4", "address"], capture_output=True, text=True, timeout=_IP_TIMEOUT_S, check=True
    ).stdout
    taken = set()
    for line in out.splitlines():
        _, _, rest = line.partition(" inet ")
        octets = rest.split("/")[0].split(".")
        if octets[0] == "198" and octets[1] in {"18", "19"}:
            taken.add((int(octets[1]) - 18) * 256 + int(octets[2]))
    return taken


def delay(namespace_pid: int, cable: str, rtt_ms: float) -> None:
    """Hold packets back on both ends of a cable, ``rtt_ms`` for there and back; 0 takes it away.

    :raises UsageError: this kernel has no netem.
    """
    half = rtt_ms / 2
    for command in (["tc"], ["nsenter", f"--target={namespace_pid}", "--net", "tc"]):
        device = cable if command == ["tc"] else "eth0"
        what = ["qdisc", "replace", "dev", device, "root", "netem", "delay", f"{half}ms"]
        if not rtt_ms:
            what = ["qdisc", "delete", "dev", device, "root"]
        done = subprocess.run(
            [*command, *what], capture_output=True, text=True, timeout=_IP_TIMEOUT_S, check=False
        )
        if done.returncode and rtt_ms:
            raise UsageError(
                f"cannot delay {cable}: this kernel has no netem ({done.stderr.strip()}); "
                "load sch_netem or go without the delay"
            )


def _ip(*lines: str, force: bool = False) -> None:
    argv = ["ip", *(["-force"] if force else []), "-batch", "-"]
    done = subprocess.run(
        argv,
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=_IP_TIMEOUT_S,
        check=False,
    )
    if done.returncode and not force:
        raise UsageError(
            f"the lab's network could not be made ({done.stderr.strip().splitlines()[0]}); "
            "it needs root and a kernel with bridge and veth"
        )
