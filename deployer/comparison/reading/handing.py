"""What is handed on, or handed out, as nobody means it, where no answer to a question shows it. Pure."""

from __future__ import annotations

import ipaddress
import re

from deployer.comparison.asked import AnswerClass
from deployer.comparison.reading.standing import Standing, subrequest
from deployer.comparison.reading.telling import heard, same_application, same_location
from deployer.nginx.access import Access, access
from deployer.nginx.paths import read_path
from deployer.nginx.sites import effective
from deployer.nginx.tree import Directive
from deployer.nginx.upstreams import lost_path, passed, passing, told
from deployer.nginx.variables import names

_CLIENT = ("x-real-ip", "x-forwarded-for", "true-client-ip")
_ADDRESS = frozenset(
    ("remote_addr", "binary_remote_addr", "proxy_add_x_forwarded_for", "proxy_protocol_addr")
)
_OWN = frozenset(("server_addr", "server_name", "host", "proxy_host", "hostname", "realip_server_addr"))
"""Variables that are the same for all who ask one name."""


def client(was: Standing, now: Standing) -> str | None:
    """Who asks, which nginx knew, and which is now what the client itself says, or the same for everybody."""
    if not same_application(was, now) or not same_location(was, now):
        return None
    before, after = heard(was, {}), heard(now, {})
    for name in _CLIENT:
        old, new = before.get(name, ""), after.get(name, "")
        if not _ADDRESS & set(names(old)) or old == new or not new:
            continue
        if new == f"$http_{name.replace('-', '_')}":
            return f"the application is told as {_title(name)} what the client says itself, not who asks"
        used = set(names(new))
        if "realip_remote_addr" in used and effective(now.scope, "real_ip_header", "set_real_ip_from"):
            return f"the application is told as {_title(name)} the balancer ({new}), not who asks"
        if used <= _OWN and (used or _is_address(new)):
            return f"the application is told {new} as {_title(name)}, whoever asks"
    return None


def anybody(was: Standing, now: Standing) -> str | None:
    """Whom a login found out, which nginx told the application, and which whoever asks may say now."""
    if not same_application(was, now) or not same_location(was, now):
        return None
    if access(now.scope) is Access.OPEN and not effective(now.scope, "auth_request"):
        return None  # no login stands there any more, which is another matter
    found_out = {d.args[0].lstrip("$") for d in effective(was.scope, "auth_request_set") if d.args}
    after = told(now.scope)
    for name, value in told(was.scope).items():
        known = [
            v for v in names(value) if v in found_out or v == "remote_user" or v.startswith("ssl_client_")
        ]
        if known and name not in after:
            return (
                f"nginx no longer tells the application {_title(name)} (${known[0]}): whoever asks may say it"
            )
    return None


def turned_away(was: Standing, now: Standing, old: AnswerClass | None, new: AnswerClass | None) -> str | None:
    """401, upon which programs and people log in, become 403, upon which they give up."""
    if old is None or new is None or (old.status, new.status) != (401, 403) or not same_location(was, now):
        return None
    if any(access(standing.scope) is not Access.PASSWORD for standing in (was, now)):
        return None
    return "401 before, 403 now: whoever has not logged in yet is turned away, and not asked to"


def unfinished(was: Standing, now: Standing) -> str | None:
    """A login that is asked without the body and, a header being gone, with its length: it waits for it."""
    before, after = subrequest(was), subrequest(now)
    if before is None or after is None or not same_application(before, after):
        return None
    if not any(d.args == ("off",) for d in effective(after.scope, "proxy_pass_request_body")):
        return None
    if told(before.scope).get("content-length") != "" or "content-length" in told(after.scope):
        return None
    return f"{after.path}, which is asked first, waits for a body that is not sent: its Content-Length is"


def inner(was: Standing, now: Standing) -> str | None:
    """A location within one that hands requests on: one header of its own, and all the others are gone."""
    old, new = was.location, now.location
    if old is None or new is None or not same_application(was, now):
        return None
    here = _locations(new.scope)
    around = [x for x in here[:-1] if x.args == old.directive.args]
    if not around or len(_locations(old.scope)) >= len(here):
        return None
    if "host" in _own(new.directive) or not _own(new.directive):
        return None
    if (
        told(was.scope)["host"].startswith(("$host", "$http_host"))
        and told(now.scope)["host"] == "$proxy_host"
    ):
        return (
            "the application is no longer told which Host was asked for:"
            " a proxy_set_header of the inner location hides those outside"
        )
    return None


def hidden_path(was: Standing, now: Standing, answer: AnswerClass | None) -> str | None:
    """Another path for the same upstream, behind a password: there is no page that would show it."""
    if answer is None or answer.status not in (401, 403) or not same_location(was, now):
        return None
    before, after = (passed(s.sites, s.location, s.path) for s in (was, now))
    return lost_path(before, after) if before is not None and after is not None else None


def decoded(was: Standing, now: Standing) -> str | None:
    """A path put together of what was decoded: a blank in it ends the request line, ``%2F`` parts it anew."""
    old, new = passing(was.location), passing(now.location)
    if old is None or new is None or now.location is None or not same_application(was, now):
        return None
    before, after = ([n for n in names(d.args[0]) if _is_path(n, s)] for d, s in ((old, was), (new, now)))
    if not after or before or not now.location.holds(f"{read_path(now.path)} b"):
        return None
    return f"paths with a blank or %2F break: ${after[0]} is decoded where it is handed on"


def _is_path(variable: str, standing: Standing) -> bool:
    """Whether it holds a part of the path as nginx read it."""
    here = standing.location.pattern if standing.location is not None else ""
    return (
        variable in ("uri", "document_uri") or (variable.isdigit() and "(" in here) or f"<{variable}>" in here
    )


def emptied(was: Standing, now: Standing) -> str | None:
    """A text that was answered, of which only the status is left."""
    if not same_location(was, now):
        return None
    old, new = was.way.answer, now.way.answer
    if old is None or new is None or old.name != "return" or new.name != "return":
        return None
    said = len(old.args) == 2 and bool(old.args[1].strip()) and old.args[0] == "200"
    if said and new.args[:1] == ("200",) and not "".join(new.args[1:]).strip():
        return "an empty answer now: the text behind return 200 is gone"
    return None


def _locations(scope: tuple[Directive, ...]) -> list[Directive]:
    return [block for block in scope if block.name == "location"]


def _own(block: Directive) -> frozenset[str]:
    return frozenset(d.args[0].lower() for d in effective((block,), "proxy_set_header") if d.args)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _title(name: str) -> str:
    return re.sub("Ip$", "IP", "-".join(word.capitalize() for word in name.split("-")))
