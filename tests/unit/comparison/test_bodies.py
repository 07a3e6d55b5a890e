"""What is only seen in the bytes of a page: letters, commands for includes, the page for 404. Real nginx."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deployer.checks.http import Answer
from deployer.comparison import inquiry
from deployer.comparison.asking.answers import classified
from deployer.comparison.inquiry import Scope

from .configured import SHOP
from .twins import POSSIBLE, inquire

SITE = """
include /etc/nginx/mime.types;
server { listen 80; server_name a.example.com; root WWW; error_page 404 /oops/404.html;
  location /texts/ { charset iso-8859-1; }
  location /board/ { ssi on; }
  location ^~ /oops/ { internal; }
  add_header Content-Security-Policy "default-src 'self'";
}
"""
SEEN = tuple(("a.example.com", path) for path in ("/texts/old.txt", "/board/news.html", "/texts/new.txt"))


@pytest.mark.slow
@pytest.mark.skipif(not POSSIBLE, reason="needs root, nginx and ip, for two network namespaces")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "charset iso-8859-1;",
            "charset utf-8;",
            "/texts/old.txt.* said to be utf-8 now, which its bytes are not",
        ),
        ("charset iso-8859-1;", "charset utf-8; charset_types text/css;", ""),
        ("ssi on;", "", "/board/news.html.* commands for server-side includes are sent to users"),
        ("ssi on;", "ssi on; ssi_silent_errors on;", ""),
        ("error_page 404 /oops", "error_page 404 = /oops", "404 before, 200 now with the very same page"),
        ("error_page 404 /oops", "error_page 404 =410 /oops", ""),
        ("default-src 'self'", "default-src self", "self without its quotes is the name of a host"),
        ("default-src 'self'", "default-src 'self' *.example.com", ""),
    ],
)
def test_pages_are_read_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, said: str
) -> None:
    monkeypatch.setattr(inquiry, "AGAIN_S", 0.05)
    www = tmp_path / "www"
    for name, content in {
        "index.html": b"<title>home</title>",
        "texts/old.txt": "Gr\xfcn".encode("latin-1"),
        "texts/new.txt": b"plain",
        "board/news.html": b'<!--# if expr="a=b" --><p>news</p><!--# endif -->',
        "oops/404.html": b"not here",
    }.items():
        (www / name).parent.mkdir(parents=True, exist_ok=True)
        (www / name).write_bytes(content)
    for path in (tmp_path, www, *www.rglob("*")):
        path.chmod(0o755)
    live = SITE.replace("WWW", str(www))
    found = inquire(tmp_path, live, live.replace(old, new, 1), Scope(seen=SEEN))
    worse = " | ".join(f"{d.question.path} {d.reason}" for d in found.comparison.worse)
    assert re.search(said, worse) if said else not worse, worse


LATIN = "Gr\xfcn".encode("latin-1")


@pytest.mark.parametrize(
    ("charset", "body", "garbled"),
    [
        ("utf-8", LATIN, True),
        ("UTF-8", "Gr\xfcn".encode(), False),
        ("utf-8", "Gr\xfc".encode()[:-1], False),  # cut off in the middle of a letter
        ("iso-8859-1", LATIN, False),
        ("nonsense", LATIN, False),
        *((odd, LATIN, False) for odd in ("base64", "zlib", "bz2", "hex", "undefined", "utf-8\0")),
    ],
)
def test_no_character_set_that_somebody_says_is_too_odd(charset: str, body: bytes, *, garbled: bool) -> None:
    """Applications say what they like."""
    answer = Answer(200, (("Content-Type", f"text/html; charset={charset}"),), body, True, 0.0)
    found = classified(SHOP, lambda: (answer, None))
    assert found.page is not None
    assert found.page.garbled is garbled
    assert answer.text(), "a health check reads it as well"
