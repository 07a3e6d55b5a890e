"""The faults: how each strikes a host or the controller, and how it is lifted."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from deployer.lab.host import LabHost
from tests.faults.seam import Moment, Seam


class Fault(StrEnum):
    """The columns of the matrix."""

    FAILS_BEFORE = "fails before its effect"
    FAILS_AFTER = "fails after its effect"
    KILLED = "controller killed"
    CUT = "connection cut"
    PAUSED = "host paused"
    REBOOTED = "host rebooted"
    FULL = "disk full"
    NGINX = "nginx killed"

    @property
    def fails(self) -> bool:
        """The step itself says no; nothing else happens."""
        return self in (Fault.FAILS_BEFORE, Fault.FAILS_AFTER)

    def moment(self, dice: random.Random) -> Moment:
        """When it strikes: what makes a step's work impossible before it, the others on either side."""
        if self in (Fault.FAILS_BEFORE, Fault.FULL, Fault.NGINX):
            return Moment.BEFORE
        return Moment.AFTER if self is Fault.FAILS_AFTER else dice.choice(list(Moment))


@dataclass
class Strike:
    """One fault on one host, or on the controller.

    :ivar number: of the shop that is being deployed.
    :ivar asks: the step only asks the site; every other one has failed by now where it should.
    :ivar paused_s: how long a paused host stands still.
    """

    fault: Fault
    host: LabHost
    controller: subprocess.Popen[str]
    number: int
    asks: bool
    paused_s: float

    def now(self) -> None:
        """Strike, and let the step go on."""
        seam = Seam(self.host)
        match self.fault:
            case Fault.FAILS_BEFORE | Fault.FAILS_AFTER:
                if self.asks:
                    seam.ill(self.number)
            case Fault.KILLED:
                self.controller.send_signal(signal.SIGKILL)
                self.controller.wait(timeout=30)
            case Fault.CUT:
                self.host.cut()
            case Fault.PAUSED:
                self.host.pause()
                time.sleep(self.paused_s)  # this is the fault: nothing is waited for
                seam.let_go()
                self.host.resume()
            case Fault.REBOOTED:
                self.host.reboot()
                return
            case Fault.FULL:
                self.host.fill()
            case Fault.NGINX:
                self._kill_nginx()
        seam.let_go()

    def _kill_nginx(self) -> None:
        while pids := self.host.nginx_pids():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    @property
    def away(self) -> bool:
        """Whether the controller cannot reach the host, until the fault is lifted."""
        return self.fault is Fault.CUT

    def lift(self) -> bool:
        """Make an end of it; whether nginx had to be started by hand."""
        self.host.mend()
        self.host.resume()
        self.host.empty()
        Seam(self.host).clear()
        if self.host.nginx_pids():
            return False
        self.host.start_nginx()
        return True
