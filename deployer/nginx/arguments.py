"""Whether what stands behind the question mark reaches the application: by the configuration alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deployer.nginx.configuration import Config
from deployer.nginx.samples import groups
from deployer.nginx.sites import Location, Server, Sites, effective
from deployer.nginx.tree import Directive
from deployer.nginx.values import value
from deployer.nginx.variables import VARIABLE, names

WHOLE = frozenset(("args", "query_string", "request_uri"))
"""Variables that have the arguments in them."""

_WITHOUT = re.compile(r"uri|document_uri|host|http_host|scheme|server_name|is_args|\d")
_PARAMETERS = {"fastcgi_pass": "fastcgi_param", "uwsgi_pass": "uwsgi_param", "scgi_pass": "scgi_param"}
_MOST = 10  # nginx itself goes round no more often


def reach(sites: Sites, server: Server, path: str) -> bool | None:
    """Whether the arguments of a path (without query) are passed on; ``None``: nothing is, or who knows."""
    if sites.config is None:
        return None
    return _Way(sites.config, server).begin(path)


class _Way:
    """One request on its way through the locations of a server."""

    def __init__(self, config: Config, server: Server) -> None:
        self._config, self._server = config, server
        self._kept = True
        self._round = 0

    def begin(self, path: str) -> bool | None:
        if self._server.directive.first("return") is not None:
            return None
        rewritten = self._rewrite(self._server.scope, path)
        return None if rewritten is None else self._at(rewritten[0])

    def _at(self, path: str) -> bool | None:
        return self._in(self._server.locate(path), path)

    def _in(self, location: Location | None, path: str) -> bool | None:
        self._round += 1
        if location is None or self._round > _MOST or location.directive.first("return") is not None:
            return None
        rewritten = self._rewrite(location.scope, path)
        if rewritten is None:
            return None
        new, stays = rewritten
        if new != path and not stays:
            return self._at(new)
        directive = location.directive.first("proxy_pass", *_PARAMETERS)
        if directive is not None and directive.args:
            return self._passed(location, directive)
        return self._tried(location, new)

    def _rewrite(self, scope: Sequence[Directive], path: str) -> tuple[str, bool] | None:
        """The new path, and whether no other location is looked for; ``None``: who knows."""
        for directive in scope[-1].all("rewrite", "set"):
            if directive.name == "set":
                cleared = directive.args[:1] in (("$args",), ("$query_string",))
                self._kept = self._kept and not (cleared and not self._has(scope, directive.args[-1]))
                continue
            held = groups(directive.args[0], path) if len(directive.args) > 1 else None
            if held is None:
                continue
            flag, (new, mark, query) = directive.args[2:3], directive.args[1].partition("?")
            new = VARIABLE.sub(lambda m, held=held: held.get(m[1] or m[2], m[0]), new)  # type: ignore[misc]
            if flag in (("redirect",), ("permanent",)) or not new.startswith("/") or "$" in new:
                return None
            # A question mark at the end says that the arguments are not added.
            if mark and directive.args[1].endswith("?"):
                self._kept = self._kept and self._has(scope, query)
            path = new
            if flag in (("last",), ("break",)):
                return path, flag == ("break",)
        return path, False

    def _passed(self, location: Location, directive: Directive) -> bool | None:
        if directive.name in _PARAMETERS:
            told = [d.args for d in effective(location.scope, _PARAMETERS[directive.name])]
            query = [args[1] for args in told if len(args) > 1 and args[0].upper() == "QUERY_STRING"]
            return self._kept and any(self._has(location.scope, text) for text in query[-1:])
        target = value(self._config, location.scope, directive.args[0], {})
        path = "/" in target.partition("://")[2] or {"uri", "document_uri"} & set(names(target))
        if "$" not in directive.args[0] or not path:
            return self._kept
        if self._has(location.scope, target):
            return self._kept
        return False if self._plain(location.scope, target) else None

    def _tried(self, location: Location, path: str) -> bool | None:
        tries = location.directive.first("try_files")
        if tries is None or not tries.args or tries.args[-1].startswith("="):
            return None
        last = tries.args[-1]
        if last.startswith("@"):
            found = (x for x in self._server.every if x.kind == "@" and "@" + x.pattern == last)
            return self._in(next(found, None), path)
        new, _, query = last.partition("?")
        # An internal redirect has the arguments that are written here, and no others.
        self._kept = self._kept and self._has(location.scope, query)
        return self._at(new) if new.startswith("/") and "$" not in new else None

    def _has(self, scope: Sequence[Directive], text: str) -> bool:
        return bool(WHOLE & set(names(value(self._config, scope, text, {}))))

    def _plain(self, scope: Sequence[Directive], target: str) -> bool:
        """Whether each variable of a target is one that never has arguments in it."""
        asked = (d for block in scope for d in block.all("if") if any(WHOLE & {*names(a)} for a in d.args))
        return next(asked, None) is None and all(_WITHOUT.fullmatch(name) for name in names(target))
