"""What an application is no longer told about a request, of what it has to know. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.reading.caching import FILES
from deployer.comparison.reading.standing import Standing
from deployer.nginx.access import Access, access
from deployer.nginx.sites import effective
from deployer.nginx.upstreams import passed, passing, told
from deployer.nginx.values import value

_NO_HOST = re.compile(
    r"https?|close|upgrade|keep-alive"
    r"|\$(scheme|uri|request\w*|remote_\w+|realip_\w+|proxy_add_\w+|server_(port|protocol|addr)|http_(?!host|x_)\w+)"
)
_NO_SCHEME = re.compile(
    r"\$(host|http_host|remote_\w+|proxy_add_\w+|request\w*|uri|server_(name|addr|port))|[^$]+"
)
_CLIENT = ("x-real-ip", "x-forwarded-for", "forwarded", "true-client-ip", "cf-connecting-ip")
_OF_CLIENT = re.compile(r"addr|forwarded|real|client|ip", re.IGNORECASE)
_SCHEMES = ("http", "https")
_SOCKET: Mapping[str, str] = {"http_upgrade": "websocket", "http_connection": "upgrade"}


def upgrades(standing: Standing) -> bool:
    """Whether a request with ``Upgrade: websocket`` is passed on as such."""
    directive = passing(standing.location)
    if directive is None or directive.name != "proxy_pass":
        return False
    version = effective(standing.scope, "proxy_http_version")
    if not version or version[-1].args != ("1.1",):
        return False
    sent = heard(standing, _SOCKET)
    return "websocket" in sent.get("upgrade", "").lower() and "upgrade" in sent.get("connection", "").lower()


def no_socket(was: Standing, now: Standing) -> str | None:
    """Websockets that are not let through any more."""
    if passing(now.location) is None or not upgrades(was) or upgrades(now):
        return None
    if not same_location(was, now) and not same_application(was, now):
        return None
    return "websockets get through no more: it takes proxy_http_version 1.1, Upgrade and Connection"


def untold(question: Question, was: Standing, now: Standing, answer: AnswerClass | None = None) -> str | None:
    """Host, scheme, client, password or cookies, which live told the same application.

    :param answer: what live's application answers there.
    """
    if not same_location(was, now) or not same_application(was, now):
        return None
    tls = any(x.tls for x in was.server.listens if x.port == question.port)
    brings = {"scheme": "https" if tls else "http", "https": "on" if tls else ""}
    before, after = heard(was, brings), heard(now, brings)
    lost = _lost_host(before, after) or _lost_scheme(before, after)
    if lost:
        return lost
    if _tells_who(before) and not _tells_who(after):
        return "the application is no longer told who asks (X-Real-IP, X-Forwarded-For)"
    # Cleared by a proxy that asks for the password itself, it is not lost.
    passes = before.get("authorization", "$http_authorization") == "$http_authorization"
    if passes and after.get("authorization") == "" and access(now.scope) is Access.OPEN:
        return "the application is no longer told who logs in: Authorization is cleared"
    return _lost_cookies(before, after, now, answer)


def _lost_cookies(
    before: Mapping[str, str], after: Mapping[str, str], now: Standing, answer: AnswerClass | None
) -> str | None:
    """Cookies that do not get through; to what is kept for everybody, and to files, they need not."""
    if before.get("cookie", "$http_cookie") != "$http_cookie" or after.get("cookie") != "":
        return None
    if any(d.args != ("off",) for d in effective(now.scope, "proxy_cache")):
        return None
    if answer is not None and answer.page is not None and FILES.fullmatch(answer.page.kind):
        return None
    return "the application is no longer told the cookies: it knows nobody again"


def _tells_who(told: Mapping[str, str]) -> bool:
    return any(_OF_CLIENT.search(told.get(name, "")) for name in _CLIENT)


def _lost_host(before: Mapping[str, str], after: Mapping[str, str]) -> str | None:
    if before["host"].startswith(("$host", "$http_host")) and after["host"] in ("", "$proxy_host"):
        return "the application is no longer told which Host was asked for"
    if before["host"].startswith(("$host", "$http_host")) and _NO_HOST.fullmatch(after["host"]):
        return f"the application is told the Host {after['host']}, which is none"
    return None


def _lost_scheme(before: Mapping[str, str], after: Mapping[str, str]) -> str | None:
    was, now = (said.get("x-forwarded-proto", "") for said in (before, after))
    if was and not now and "proto=" not in after.get("forwarded", ""):
        return "the application is no longer told X-Forwarded-Proto: it takes https for http"
    if was == "https" and now == "http":
        return "the application is told X-Forwarded-Proto http of what is https"
    if was in _SCHEMES and now not in _SCHEMES and _NO_SCHEME.fullmatch(now):
        return f"the application is told X-Forwarded-Proto {now}, which is no scheme"
    return None


def heard(standing: Standing, brings: Mapping[str, str]) -> Mapping[str, str]:
    """The request headers that an application is sent, variables filled in as far as they are known."""
    config = standing.sites.config
    sent = told(standing.scope)
    if config is None:
        return sent
    return {name: value(config, standing.scope, text, brings) for name, text in sent.items()}


def same_application(was: Standing, now: Standing) -> bool:
    """Whether both hand the request on to somebody whom the other asks as well."""
    directives = passing(was.location), passing(now.location)
    if any(d is None or d.name != "proxy_pass" for d in directives):
        return False
    before, after = (passed(s.sites, s.location, s.path.partition("?")[0]) for s in (was, now))
    return before is not None and after is not None and not before.members.isdisjoint(after.members)


def same_location(was: Standing, now: Standing) -> bool:
    """Whether one location answers, on both sides: a new location says for itself what it needs."""
    old, new = was.location, now.location
    return old is not None and new is not None and (old.kind, old.pattern) == (new.kind, new.pattern)
