"""A configuration out of a few words of nginx's language."""

from __future__ import annotations

from deployer.comparison.asked import AnswerClass, Page, Question
from deployer.comparison.reading.foresight import Foresight
from deployer.comparison.routes import Origin
from deployer.nginx.configuration import parse
from deployer.nginx.sites import Sites, read

SHOP = Question("127.0.0.1", 80, "shop.example.com")


def sites(http: str, main: str = "events {}") -> Sites:
    """The servers of what stands in ``http``."""
    config = parse({"nginx.conf": f"{main}\nhttp {{\n{http}\n}}\n".encode()})
    assert not config.problems, config.problems
    return read(config)


def foresight(live: str, candidate: str, origins: dict[Question, Origin] | None = None) -> Foresight:
    """Both, ready to be asked."""
    return Foresight(sites(live), sites(candidate), origins)


def page(body: str = "page", kind: str = "text/html", *, status: int = 200, **headers: str) -> AnswerClass:
    """An answer with a page."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return AnswerClass(
        str(status),
        status,
        page=Page(
            body,
            len(body),
            kind,
            named,
            listing=body.startswith("Index of"),
            welcome=body.startswith("Welcome to nginx"),
            built_in=body.startswith("nginx's own"),
        ),
    )


def moved(location: str, status: int = 301) -> AnswerClass:
    """A redirect."""
    return AnswerClass(str(status), status, location, page=Page("moved", 5, "text/html"))


def at(path: str, question: Question = SHOP) -> Question:
    """The same name and port, another path."""
    return Question(question.address, question.port, question.name, path)
