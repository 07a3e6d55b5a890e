"""Who answers a question in one configuration, and where its way through the server ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

from deployer.comparison.asked import AnswerClass, Question
from deployer.nginx.methods import only_written_to
from deployer.nginx.sites import Choice, Location, Server, Sites, effective
from deployer.nginx.tree import Directive
from deployer.nginx.upstreams import Passed, passed, passing
from deployer.nginx.way import Way, follow


@dataclass(frozen=True)
class Standing:
    """Who answers a question in one configuration."""

    sites: Sites
    choice: Choice
    way: Way
    asked: str  #: the path, with its arguments

    @property
    def location(self) -> Location | None:
        """Where its way ends; ``None``: the server itself answers."""
        return self.way.location

    @property
    def path(self) -> str:
        """The path as it comes into that location."""
        return quote(self.way.path) if self.way.moved else self.asked

    @property
    def passer(self) -> Location | None:
        """The location that hands the request on: its own, or the one that it falls back to."""
        if passing(self.location) is not None:
            return self.location
        found = [one for one in self.way.others if passing(one) is not None]
        return found[0] if len(found) == 1 else None

    @property
    def passed(self) -> Passed | None:
        """What it becomes where it is handed on; ``None``: it is not."""
        return passed(self.sites, self.passer, self.path)

    @property
    def root(self) -> tuple[Directive, ...]:
        """The directives outside of every block."""
        return self.sites.config.directives if self.sites.config is not None else ()

    @property
    def server(self) -> Server:
        """The server that answers."""
        return self.choice.server

    @property
    def proxied(self) -> bool:
        """Whether TLS ends in front of nginx, by what the server reads."""
        return "x_forwarded_proto" in self.server.text.lower()

    @property
    def scope(self) -> tuple[Directive, ...]:
        """The blocks that hold for the answer, outermost first."""
        return self.location.scope if self.location is not None else self.server.scope

    @property
    def scopes(self) -> tuple[tuple[Directive, ...], ...]:
        """The blocks that hold for the answer, of all that it came through, and of who may have answered."""
        more = (*self.way.through, *(one for one in self.way.others if one is not None))
        return self.scope, *(one.scope for one in more)


def standing(sites: Sites, choice: Choice, question: Question) -> Standing:
    """Who answers, of the server that was chosen."""
    listen = sites.listen_at(question.place)
    says = {"host": question.name or question.address, "server_port": str(question.port)}
    says["scheme"] = "https" if listen is not None and listen.tls else "http"
    way = follow(sites.config, choice.server, question.path, says | {"http_host": says["host"]})
    return Standing(sites, choice, way, question.path)


def is_new(was: Standing, now: Standing) -> bool:
    """Whether the name is new: what the default server said to it nobody came for."""
    return now.choice.listed and not was.choice.listed


def subrequest(standing: Standing) -> Standing | None:
    """Where ``auth_request`` asks who it is; ``None``: it does not, or a variable says where."""
    said = effective(standing.scope, "auth_request")[-1:]
    path = said[0].args[0] if said and said[0].args else "off"
    if path == "off" or "$" in path:
        return None
    return replace(standing, way=follow(standing.sites.config, standing.server, path), asked=path)


def special(now: Standing, new: AnswerClass) -> str | None:
    """What a location is for, where that is not to be got with the questions that are asked."""
    if only_written_to(now.scope):
        return "takes what is sent to it"
    told = {d.args[0].lower() for d in effective(now.scope, "proxy_set_header") if all(d.args[:2])}
    return "is for websockets" if "upgrade" in told and new.status in (400, 426) else None
