"""The parsed configuration: includes in place, globs in nginx's order, and no text that makes it fail."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deployer.nginx.configuration import Config, Directive, files_of_dump, glob_regex, parse
from deployer.nginx.tree import MAX_NESTING

MAIN = b"events {}\nhttp {\n  include sites/*.conf;\n}\n"


def shape(directives: tuple[Directive, ...]) -> list[object]:
    return [(d.name, *d.args) if d.block is None else (d.name, *d.args, shape(d.block)) for d in directives]


def one(text: bytes) -> Config:
    return parse({"nginx.conf": text})


def test_includes_stand_where_they_are_in_nginx_order() -> None:
    files = {
        "nginx.conf": MAIN,
        "sites/b.conf": b"server {\n\n  listen 81;\n}\n",
        "sites/a.conf": b"server { include snippets/x; }",
        "sites/.hidden.conf": b"server { listen 99; }",
        "sites/a.conf.bak": b"server { listen 98; }",
        "sites/deep/c.conf": b"server { listen 97; }",
        "snippets/x": b"listen 80;",
    }
    config = parse(files)
    assert config.problems == ()
    http = config.directives[1]
    assert shape(http.block or ()) == [
        ("include", "sites/*.conf"),
        ("server", [("include", "snippets/x"), ("listen", "80")]),
        ("server", [("listen", "81")]),
    ]
    (first, around), (second, _) = config.find("listen")
    assert (first.file, first.line) == ("snippets/x", 1)
    assert (second.file, second.line) == ("sites/b.conf", 3)
    assert [d.name for d in around] == ["http", "server"]
    assert {i.matched for i in config.includes} == {("snippets/x",), ("sites/a.conf", "sites/b.conf")}
    assert config.read == {"nginx.conf", "sites/a.conf", "sites/b.conf", "snippets/x"}


def test_absolute_includes_mean_the_tree_where_they_lead_into_it() -> None:
    files = {
        "nginx.conf": b"include /etc/nginx/a.conf; include /opt/b; include mime.types; include /srv/*.conf;",
        "a.conf": b"user www-data;",
        "/srv/c.conf": b"worker_processes 2;",
    }
    config = parse(files)
    assert [d.name for d, _ in config.walk()] == ["include", "user", *["include"] * 3, "worker_processes"]
    missing = {i.pattern: i.missing for i in config.includes}
    assert missing == {
        "/etc/nginx/a.conf": False,
        "/opt/b": True,
        "/etc/nginx/mime.types": True,
        "/srv/*.conf": False,
    }


def test_relative_includes_are_looked_for_beside_the_main_file() -> None:
    files = {"deep/nginx.conf": b"include x.conf;", "deep/x.conf": b"user a;", "x.conf": b"user b;"}
    assert parse(files, "deep/nginx.conf").find("user")[0][0].args == ("a",)


def test_what_is_there_but_not_known_is_missing() -> None:
    config = parse({"nginx.conf": b"include c/*;", "c/a": b"user x;"}, unknown={"c/b"})
    assert [(i.matched, i.missing) for i in config.includes] == [(("c/a",), True)]


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"nginx.conf": b"include nginx.conf;"}, "recursion"),
        ({"nginx.conf": b"include a;", "a": b"include b;", "b": b"http { include *; }"}, "recursion"),
        (
            {"nginx.conf": b"include f0;"} | {f"f{n}": b"include f%d;" % (n + 1) for n in range(500)},
            "recursion",
        ),
        (
            {"nginx.conf": b"include f0;", "f40": b"user x;"}
            | {f"f{n}": b"include f%d; include f%d;" % (n + 1, n + 1) for n in range(40)},
            "size",
        ),
    ],
)
def test_files_without_end_are_a_problem(files: dict[str, bytes], kind: str) -> None:
    problems = parse(files).problems
    assert {p.kind for p in problems} >= {kind}
    assert len(problems) < 100


def test_depth_is_limited() -> None:
    config = one(b"a {" * 20_000 + b"}" * 20_000)
    assert sum(1 for _ in config.walk()) == MAX_NESTING
    assert "blocks within each other" in config.problems[0].message


def test_a_table_is_not_made_of_directives() -> None:
    config = one(
        b"http { map $uri $x { server 1; include y; } types { text/html server; } server { listen 1; } }"
    )
    assert len(config.find("server")) == 1
    assert [d.name for d, around in config.walk() if around and around[-1].name == "map"] == [
        "server",
        "include",
    ]


def test_words_are_as_nginx_takes_them() -> None:
    text = (
        "a 'x y' \"# no comment\" ${b}c $d; # comment ; }\r\n"
        'if ($http_cookie ~* "a;b{2}") { return 200 "it\\"s"; }\r\n'
        "server_name caf\u00e9.example.com\u00a0b \u2018q\u2019;\n"
    ).encode() + b"\tlatin \xe9;"
    config = one(text)
    assert config.problems == ()
    assert shape(config.directives) == [
        ("a", "x y", "# no comment", "${b}c", "$d"),
        ("if", "$http_cookie", "~*", "a;b{2}", [("return", "200", 'it"s')]),
        ("server_name", "caf\u00e9.example.com\u00a0b", "\u2018q\u2019"),
        ("latin", "\udce9"),
    ]
    assert [d.line for d in config.directives] == [1, 2, 3, 4]
    assert config.lines("nginx.conf")[0].endswith("# comment ; }")


@pytest.mark.parametrize("name", ["content_by_lua_block", "ssl_client_hello_by_lua_block"])
def test_lua_is_one_word(name: str) -> None:
    config = one(b"location / { " + name.encode() + b' { if x then y = "}" end -- } \n } return 200; }')
    assert [d.name for d, _ in config.walk()] == ["location", name, "return"]


def test_lua_that_the_parser_does_not_follow_is_doubtful() -> None:
    (problem,) = one(b"location / { content_by_lua_block { x = [[ it's ]] } }").problems
    assert problem.doubtful


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (b"\n\nuser www-data", 3, '"user"'),
        (b"http {\n server {\n", 2, '"server"'),
        (b"user x;\n}\n", 2, 'unexpected "}"'),
        (b"http {\n a b }\n", 2, '"a"'),
        (b";", 1, 'unexpected ";"'),
        (b"a 'b", 1, "end of file"),
        (b"a ${b", 1, '"a"'),
        (b"\xef\xbb\xbfevents {}", 1, "byte order mark"),
        (b"a \\", 1, '"a"'),
    ],
)
def test_a_syntax_error_is_a_problem_with_its_line(text: bytes, line: int, says: str) -> None:
    (problem,) = one(text).problems
    assert (problem.kind, problem.file, problem.line, problem.doubtful) == (
        "syntax",
        "nginx.conf",
        line,
        False,
    )
    assert says in problem.message


def test_what_stands_before_a_syntax_error_is_kept() -> None:
    config = one(b"http { server { listen 80; ")
    assert [d.name for d, _ in config.walk()] == ["http", "server", "listen"]


@pytest.mark.parametrize(
    "text", [b"", b"\0", b"\xff\xfe{", b"{}", b"#", b"a;#", bytes(range(256)), b'"', b"$ {"]
)
def test_no_text_makes_it_fail(text: bytes) -> None:
    one(text)


def test_no_main_file() -> None:
    assert [p.message for p in parse({}).problems] == ["there is no such file"]


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/c/*.conf", "/c/a.conf", True),
        ("/c/*.conf", "/c/.a.conf", False),
        ("/c/*", "/c/d/e", False),
        ("/c/[ab]?", "/c/ax", True),
        ("/c/[!ab]x", "/c/ax", False),
        ("/c/[!ab]x", "/c/cx", True),
        ("/c/[]x]", "/c/]", True),
        ("/c/[", "/c/[", True),
        ("/c/\\*", "/c/*", True),
        ("/*/x", "/c/x", True),
        ("/c/[z-a]", "/c/b", False),
        ("/c/{a,b}", "/c/a", False),
    ],
)
def test_globs_are_those_of_the_c_library(pattern: str, path: str, matches: bool) -> None:
    assert bool(glob_regex(pattern).fullmatch(path)) is matches


def test_the_dump_of_a_real_nginx_reads_back(tmp_path: Path) -> None:
    (tmp_path / "c.d").mkdir()
    files = {
        "nginx.conf": f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{ access_log off; include c.d/*; }}\n",
        "c.d/b": f"server {{\n listen unix:{tmp_path}/b;\n}}",
        "c.d/a": f"server {{\r\n listen unix:{tmp_path}/a;\r\n}}\r\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode())
    command = ["nginx", "-T", "-q", "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    dumped = subprocess.run(command, capture_output=True, timeout=30, check=True).stdout
    main, found = files_of_dump(dumped)
    assert main == str(tmp_path / "nginx.conf")
    assert found == {str(tmp_path / name): text.encode() for name, text in files.items()}
    names = [d.args[0] for d, _ in parse(found, main, directory=str(tmp_path)).find("listen")]
    assert names == [f"unix:{tmp_path}/a", f"unix:{tmp_path}/b"]


def test_something_else_is_not_a_dump() -> None:
    with pytest.raises(ValueError, match="nginx -T"):
        files_of_dump("events {}")
