"""How a notice leaves: an apprise URL, or a webhook. Apprise is loaded when it is first needed."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from deployer.config.notify import Level, Recipient
from deployer.config.references import Unknown, value_of
from deployer.errors import DeployerError
from deployer.notify import messages
from deployer.notify.notices import Notice, Turn
from deployer.notify.scrubbing import Scrubber
from deployer.report.words import clean

if TYPE_CHECKING:
    from http.client import HTTPMessage
    from typing import IO
    from urllib.request import Request

ANSWER_S = 5.0  #: how long a connection, and then each answer, is waited for
TRIES = 2  #: what fails at once is often gone a second later
AT_ONCE_S = 2.0  #: what took longer to fail is not tried again: somebody waits for the end
PAUSE_S = 1.0
SIGNATURE = "X-Deployer-Signature"
ALGORITHM = "sha256"
MOST_SAID = 300  #: characters of why somebody could not be told


class NotTold(DeployerError):
    """A message was not taken. The text is free of secrets.

    :ivar again: it may be taken when it is sent once more.
    """

    def __init__(self, why: str, *, again: bool = True) -> None:
        self.again = again
        super().__init__(why)


class Sender(Protocol):
    """One way to tell somebody."""

    def send(self, notice: Notice) -> None:
        """Deliver it, or raise :class:`NotTold`; each wait on the way is bounded."""


def sender_of(recipient: Recipient, *, where: str, scrubber: Scrubber) -> Sender:
    """How a recipient is told.

    :param where: for the commands in messages.
    :raises NotTold: when a reference leads nowhere.
    """
    try:
        url = value_of(recipient.meant, os.environ)
        key = value_of(recipient.secret, os.environ) if recipient.secret is not None else ""
    except Unknown as error:
        raise NotTold(str(error), again=False) from None
    scrubber.learn(url, key)
    if recipient.webhook is not None:
        return Webhook(url, key.encode())
    return Service(url, where, scrubber)


def told(sender: Sender, notice: Notice, stop: threading.Event) -> None:
    """Send it, and once more when that failed.

    :raises NotTold: when it was not taken.
    """
    for left in reversed(range(TRIES)):
        began = time.monotonic()
        try:
            return sender.send(notice)
        except NotTold as error:
            slow = time.monotonic() - began > AT_ONCE_S
            if not left or slow or not error.again or stop.wait(PAUSE_S):
                raise
    return None


def signature(key: bytes, body: bytes) -> str:
    """What stands in the header: ``sha256=`` and the HMAC of the body's bytes, in hexadecimal digits."""
    return f"{ALGORITHM}={hmac.new(key, body, hashlib.sha256).hexdigest()}"


class Webhook:
    """Posts the event as JSON, signed. Redirects are not followed: the event is for one receiver only."""

    def __init__(self, url: str, key: bytes) -> None:
        self._url, self._key = url, key

    def send(self, notice: Notice) -> None:
        """Post it; any 2xx answer means it was taken."""
        import http.client
        import urllib.error
        import urllib.request

        body = json.dumps(notice.as_json(), ensure_ascii=True).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "deployer",
            "X-Deployer-Event": notice.event,
            "X-Deployer-Delivery": notice.id,
            SIGNATURE: signature(self._key, body),
        }
        if not self._url.lower().startswith(("http://", "https://")):
            raise NotTold("its reference holds no http or https URL", again=False)
        try:
            request = urllib.request.Request(self._url, body, headers, method="POST")  # noqa: S310 (see above)
            with _opener().open(request, timeout=ANSWER_S) as answer:
                if not 200 <= answer.status <= 299:
                    raise NotTold(f"it answered {answer.status}")
        except urllib.error.HTTPError as error:
            error.close()
            moved = "; the new place is not followed" if 300 <= error.code <= 399 else ""
            raise NotTold(f"it answered {error.code}{moved}", again=error.code >= 500) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotTold(_why(error)) from None


def _opener() -> Any:
    from urllib.request import HTTPRedirectHandler, build_opener

    class Stay(HTTPRedirectHandler):
        """Follows nothing: a redirect is an answer that is no 2xx."""

        def redirect_request(
            self, _req: Request, _fp: IO[bytes], _code: int, _msg: str, _headers: HTTPMessage, _newurl: str, /
        ) -> None:
            return None

    return build_opener(Stay)


def _why(error: BaseException) -> str:
    """Why it failed, in words of our own: those of a library may hold the URL."""
    import ssl

    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"it did not answer within {ANSWER_S:g} s"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {clean(reason.verify_message)}"
    if isinstance(reason, ssl.SSLError):
        return "TLS with it failed"
    if isinstance(reason, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(reason, OSError) and reason.strerror:
        return f"no connection to it: {clean(reason.strerror)}"
    return f"what it said is no answer ({type(error).__name__})"


class Service:
    """One of the services that apprise knows."""

    def __init__(self, url: str, where: str, scrubber: Scrubber) -> None:
        self._url, self._where, self._scrubber = url, where, scrubber

    def send(self, notice: Notice) -> None:
        """Have apprise deliver it."""
        plugin = self._plugin()
        with _Overheard(self._scrubber) as heard:
            try:
                taken = plugin.notify(
                    body=messages.text(notice, where=self._where),
                    title=messages.subject(notice),
                    notify_type=_type_of(notice),
                    body_format="text",
                )
            except Exception as error:  # of a plugin: whatever it is, it is not our end
                raise NotTold(f"apprise failed with {type(error).__name__}; {heard.said}") from None
        if not taken:
            raise NotTold(heard.said)

    def _plugin(self) -> Any:
        from importlib import import_module

        try:
            apprise: Any = import_module("apprise")
        except ImportError:
            raise NotTold("apprise is not installed: pip install apprise", again=False) from None
        _silenced()
        with _Overheard(self._scrubber) as heard:
            plugin = apprise.Apprise.instantiate(self._url)
        if plugin is None:
            raise NotTold(f"apprise does not know this URL: {heard.said}", again=False)
        plugin.socket_connect_timeout = min(plugin.socket_connect_timeout or ANSWER_S, ANSWER_S)
        plugin.socket_read_timeout = min(plugin.socket_read_timeout or ANSWER_S, ANSWER_S)
        return plugin


def _type_of(notice: Notice) -> str:
    if notice.turn is Turn.OVER:
        return "success"
    types: Mapping[Level | None, str] = {Level.WARNING: "warning", Level.CRITICAL: "failure"}
    return types.get(notice.level, "info")


def _silenced() -> None:
    """Nothing of these libraries reaches stderr: their lines may hold the URL."""
    for name in ("apprise", "requests", "urllib3"):
        logger = logging.getLogger(name)
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())


class _Overheard(logging.Handler):
    """What apprise logs in this thread meanwhile, scrubbed: the only reason it gives for a failure."""

    def __init__(self, scrubber: Scrubber) -> None:
        super().__init__(logging.WARNING)
        self._scrubber, self._thread = scrubber, threading.get_ident()
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it, if it is of this thread."""
        if record.thread == self._thread:
            self._lines.append(record.getMessage())

    def __enter__(self) -> _Overheard:
        logging.getLogger("apprise").addHandler(self)
        return self

    def __exit__(self, *_error: object) -> None:
        logging.getLogger("apprise").removeHandler(self)

    @property
    def said(self) -> str:
        """Its last line, or that it said nothing."""
        lines = [line for line in self._lines if line.strip()]
        if not lines:
            return "it gives no reason"
        return self._scrubber.scrub(clean(lines[-1]))[:MOST_SAID]
