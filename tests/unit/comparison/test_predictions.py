"""What no question shows: reckoned from both configurations, where live did not do it."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.reading.predictions import predictions
from deployer.comparison.routes import derive

from .configured import SHOP, at, foresight, page

SHOPS = "server { listen 80; server_name shop.example.com; location / { proxy_pass http://10.0.0.1; } %s }"


def shop(inside: str = "", more: str = "") -> str:
    return SHOPS % inside + more


ROBOTS = "map $http_user_agent $robot { %s } limit_req_zone $robot zone=map:1m rate=1r/s;"
LIMITED = "limit_req_zone $binary_remote_addr zone=each:1m rate=%s; limit_req_zone $host zone=all:1m rate=%s;"


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (shop(), None),
        (shop().replace("listen 80;", "listen 127.0.0.1:80;"), "open on 127.0.0.1 only"),
        (shop().replace("listen 80;", "listen 80; listen [::]:80;"), None),
        (shop("allow 10.0.0.0/8; allow 127.0.0.1; deny all;"), "closed to the public"),
        (shop(more="server { server_name vault.example.com; allow 10.0.0.0/8; deny all; }"), None),
        (shop("location /.svn/ { allow 127.0.0.1; deny all; }"), None),
        (shop("client_max_body_size 1k;"), "413"),
        (shop("client_max_body_size 10m;"), None),
        (shop("client_max_body_size 0;"), None),
        (shop("proxy_read_timeout 50ms;"), "504"),
        (shop("proxy_read_timeout 30;"), None),
        (shop("large_client_header_buffers 2 1k;"), "400"),
        (LIMITED % ("1r/m", "1r/m") + shop("limit_req zone=each;"), "second request"),
        (LIMITED % ("5r/s", "1r/m") + shop("limit_req zone=each;"), "no burst"),
        (LIMITED % ("10r/s", "1r/m") + shop("limit_req zone=each burst=20;"), None),
        (LIMITED % ("10r/s", "1r/m") + shop("limit_req zone=all;"), "all users together"),
        (LIMITED % ("10r/s", "500r/s") + shop("limit_req zone=all burst=50;"), None),
        (ROBOTS % "default ''; ~*bot $binary_remote_addr;" + shop("limit_req zone=map;"), None),
        (ROBOTS % "default $binary_remote_addr; ~*bot x;" + shop("limit_req zone=map;"), "no burst"),
        (
            LIMITED % ("5r/m", "1r/m")
            + shop("location /login { limit_req zone=each burst=2; proxy_pass http://10.0.0.1; }"),
            None,
        ),
        ("limit_conn_zone $host zone=c:1m; " + shop("limit_conn c 2;"), "of all users together"),
        ("limit_conn_zone $binary_remote_addr zone=c:1m; " + shop("limit_conn c 20;"), None),
        ("types { text/html html; image/jpeg jpg; } " + shop("location /s/ { root /srv; }"), None),
    ],
)
def test_what_no_question_shows(candidate: str, said: str | None) -> None:
    seen = foresight(shop(), candidate)
    questions = [r.question for r in derive(seen.live, seen.candidate).routes]
    found = [reason for _, reason in predictions(seen, questions)]
    assert (not found) if said is None else any(said in reason for reason in found), found


@pytest.mark.parametrize(
    ("live", "candidate", "said"),
    [
        ("auth_basic x;", "", "auth_basic"),
        ("allow 10.0.0.0/8; deny all;", "allow 10.0.0.0/8;", "deny"),
        ("deny all;", "deny all; return 200 x;", "deny"),
        ("deny all;", "deny all;", None),
        ("client_max_body_size 1k;", "client_max_body_size 1k;", None),
    ],
)
def test_what_was_protected_stays_so(live: str, candidate: str, said: str | None) -> None:
    seen = foresight(shop(f"location /x/ {{ {live} }}"), shop(f"location /x/ {{ {candidate} }}"))
    found = [reason for _, reason in predictions(seen, [at("/x/")])]
    assert (not found) if said is None else (found and f"the {said} that protected it" in found[0])


def test_headers_for_the_application_and_types_of_files() -> None:
    told = "proxy_set_header Host $host; "
    live = told + shop("location /api/ { proxy_pass http://10.0.0.1; }")
    inner = told + shop("location /api/ { proxy_pass http://10.0.0.1; proxy_set_header X-A 1; }")
    (found,) = predictions(foresight(live, inner), [at("/api/")])
    assert "no longer told Host" in found[1]
    new = told + shop("location /ws/ { proxy_pass http://10.0.0.1; proxy_set_header X-A 1; }")
    assert not list(predictions(foresight(live, new), [at("/ws/")]))
    files = "types { text/html html; text/css css; } server { server_name shop.example.com; root /srv; }"
    (found,) = predictions(foresight(files, files.replace("text/css css;", "")), [SHOP])
    assert ".css" in found[1]
    deny = shop("location /p/ { proxy_pass http://10.0.0.1; limit_except GET { deny all; } }")
    open_ = shop("location /p/ { proxy_pass http://10.0.0.1; }")
    (found,) = predictions(foresight(open_, deny), [at("/p/")])
    assert "only GET is let through" in found[1]


def foreseen(live: str, candidate: str, path: str = "/x") -> list[str]:
    """What is predicted of a path; both are what stands in the shop's server, beside its name."""
    one, other = (
        text if "server {" in text else f"server {{ listen 80; server_name shop.example.com; {text} }}"
        for text in (live, candidate)
    )
    return [reason for _, reason in predictions(foresight(one, other), [at(path)])]


PHP = "location ~ \\.php$ { fastcgi_param QUERY_STRING $query_string; fastcgi_pass 10.0.0.2:9000; }"
PASSED = "proxy_pass http://10.0.0.1; "


@pytest.mark.parametrize(
    ("live", "candidate", "lost"),
    [
        ("location / { %s }", "location / { rewrite ^/(.*)$ /$1? break; %s }", True),
        ("location / { %s }", "location / { rewrite ^/(.*)$ /$1?a=b&$args? break; %s }", False),
        ("location / { %s }", "location / { rewrite ^/(.*)$ /app/$1?a=b break; %s }", False),
        ("location / { %s }", "rewrite ^/(x)$ /app/$1? last; location / { %s }", True),
        ("location / { %s }", "location / { set $args ''; %s }", True),
        ("location / { %s }", "location / { proxy_pass http://10.0.0.1$uri; }", True),
        ("location / { %s }", "location / { proxy_pass http://10.0.0.1$uri$is_args$args; }", False),
        ("location / { %s }", "location / { proxy_pass http://10.0.0.1/app$request_uri; }", False),
        ("location / { %s }", "location / { proxy_pass http://10.0.0.1/app/; }", False),
        ("location / { %s }", "set $app 10.0.0.1; location / { proxy_pass http://$app; }", False),
        (
            "location / { %s }",
            "set $app 10.0.0.1$request_uri; location / { proxy_pass http://$app; }",
            False,
        ),
        ("location / { %s }", "location / { proxy_pass http://10.0.0.1$elsewhere; }", False),
        ("location / { %s }", "location ~ ^/(.*)$ { proxy_pass http://10.0.0.1/$1; }", True),
        ("location / { %s }", "location / { try_files $uri @app; } location @app { %s }", False),
        ("location / { proxy_pass http://10.0.0.1$uri; }", "location / { proxy_pass http://a$uri; }", False),
        ("location / { try_files $uri /i.php?$args; }", "location / { try_files $uri /i.php; }", True),
        (
            "location / { try_files $uri /i.php?$args; }",
            "location / { try_files $uri /i.php?q=$uri&$args; }",
            False,
        ),
        ("location / { rewrite ^ /i.php last; }", "location / { rewrite ^ /i.php? last; }", True),
    ],
)
def test_arguments_reach_the_application(live: str, candidate: str, lost: bool) -> None:
    found = foreseen(*(PHP + text.replace("%s", PASSED) for text in (live, candidate)))
    assert any("the arguments" in reason for reason in found) is lost, found


@pytest.mark.parametrize("kind", ["fastcgi", "uwsgi", "scgi"])
def test_arguments_are_a_parameter_of_scripts(kind: str) -> None:
    live = f"location / {{ {kind}_param QUERY_STRING $query_string; {kind}_pass 10.0.0.2:9000; }}"
    assert not foreseen(live, live)
    (found,) = foreseen(live, live.replace("QUERY_STRING $query_string", "X 1"))
    assert "the arguments" in found


UPGRADE = (
    "map $http_upgrade $connection_upgrade { default upgrade; '' ''; } server { "
    "server_name shop.example.com; location / { proxy_pass http://10.0.0.1; "
    "proxy_http_version 1.1; "
    "proxy_set_header Upgrade $http_upgrade; "
    "proxy_set_header Connection $connection_upgrade; } }"
)


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("default upgrade", "default close", True),
        ("default upgrade", "websocket upgrade", False),
        ("default upgrade", "'~*^web' upgrade", False),
        ("proxy_http_version 1.1; ", "", True),
        ("Upgrade $http_upgrade", "Upgrade ''", True),
        ("Connection $connection_upgrade", "Connection upgrade", False),
        ("Connection $connection_upgrade", "Connection $http_connection", False),
        ("Connection $connection_upgrade", "Connection ''", True),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_websockets_get_through(old: str, new: str, lost: bool) -> None:
    assert old in UPGRADE
    found = foreseen(UPGRADE, UPGRADE.replace(old, new))
    assert any("websockets" in reason for reason in found) is lost, found
    assert not foreseen(UPGRADE.replace(old, new), UPGRADE) or old == new


def test_websockets_whose_location_is_gone() -> None:
    rest = "location / { proxy_pass http://10.0.0.1; }"
    live = UPGRADE.replace("location / {", "location /live {").replace("server_name", f"{rest} server_name")
    assert "websockets" in " ".join(foreseen(live, rest, "/live"))
    assert not foreseen(live, "location / { proxy_pass http://10.0.0.9; }", "/live"), "another application"


TELLS = (
    "server { listen 80; listen 443 ssl; server_name shop.example.com; "
    "location / { proxy_pass http://10.0.0.1; "
    "proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme; "
    "proxy_set_header X-Real-IP $remote_addr; "
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; } }"
)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Host $host", "Host $proxy_host", "which Host"),
        ("Host $host", "Host ''", "which Host"),
        ("Host $host", "X-Host $host", "which Host"),
        ("Host $host", "Host $http_host", None),
        ("Host $host", "Host app.internal", None),
        ("Host $host", "Host $scheme", "told the Host https, which is none"),
        ("Host $host", "Host $remote_addr", "which is none"),
        ("X-Forwarded-Proto $scheme", "X-Forwarded-Proto $host", "which is no scheme"),
        ("X-Forwarded-Proto $scheme", "X-Forwarded-Proto wss", "which is no scheme"),
        ("X-Forwarded-Proto $scheme", "X-Forwarded-Proto $http_x_forwarded_proto", None),
        ("X-Forwarded-Proto $scheme", "X-Scheme $scheme", "X-Forwarded-Proto"),
        ("X-Forwarded-Proto $scheme", "Forwarded 'proto=$scheme'", None),
        ("X-Forwarded-Proto $scheme", "X-Forwarded-Proto https", None),
        ("X-Forwarded-Proto $scheme", "X-Forwarded-Proto http", "of what is https"),
        ("proxy_set_header X-Real-IP $remote_addr;", "", None),
        ("X-Forwarded-For $proxy_add_x_forwarded_for", "X-Real-IP ''", "who asks"),
        ("Host $host;", "Host $host; proxy_set_header Authorization '';", "who logs in"),
        ("Host $host;", "Host $host; auth_basic x; proxy_set_header Authorization '';", None),
    ],
)
def test_what_the_application_has_to_know(old: str, new: str, said: str | None) -> None:
    assert old in TELLS
    seen = foresight(TELLS, TELLS.replace(old, new))
    question = Question("127.0.0.1", 443, "shop.example.com")
    found = [reason for _, reason in predictions(seen, [question]) if "password" not in reason]
    assert (not found) if said is None else any(said in reason for reason in found), found
    other = foresight(TELLS, TELLS.replace(old, new).replace("10.0.0.1", "10.0.0.9"))
    assert not list(predictions(other, [question]))


@pytest.mark.parametrize(
    ("live", "candidate", "said"),
    [
        ("client_max_body_size 20m;", "", "413"),
        ("client_max_body_size 20m;", "client_max_body_size 5m;", "413"),
        ("client_max_body_size 20m;", "client_max_body_size 12m;", None),
        ("client_max_body_size 0;", "client_max_body_size 100m;", "413"),
        ("client_max_body_size 20m;", "client_max_body_size 0;", None),
        ("", "client_max_body_size 512k;", None),
        ("", "client_max_body_size 200k;", "413"),
        ("proxy_read_timeout 1h;", "", "504"),
        ("proxy_read_timeout 5m;", "", None),
        ("", "proxy_read_timeout 1s;", "504"),
        ("", "proxy_read_timeout 5s;", "504"),
        ("", "proxy_read_timeout 10s;", None),
        ("proxy_read_timeout 1s;", "proxy_read_timeout 1500ms;", None),
        ("", "fastcgi_read_timeout 1s;", None),
    ],
)
def test_sizes_and_times_that_shrink(live: str, candidate: str, said: str | None) -> None:
    found = foreseen(f"location / {{ {live} {PASSED} }}", f"location / {{ {candidate} {PASSED} }}")
    assert (not found) if said is None else (len(found) == 1 and said in found[0]), found
    files = foreseen(f"location / {{ {live} root /a; }}", f"location / {{ {candidate} root /a; }}")
    assert not files


@pytest.mark.parametrize(
    ("outer", "inner", "closed"),
    [
        ("", "valid_referers server_names; if ($invalid_referer) { return 403; }", True),
        ("", "valid_referers none server_names; if ($invalid_referer) { return 403; }", False),
        ("", "valid_referers server_names; if ($invalid_referer) { set $a 1; }", False),
        ("valid_referers blocked *.example.com; if ($invalid_referer) { return 444; }", "", True),
        ("valid_referers server_names;", "if ($invalid_referer) { return 403; }", True),
        ("", "", False),
    ],
)
def test_users_without_a_referer(outer: str, inner: str, closed: bool) -> None:
    live, candidate = "location / { root /a; }", f"{outer} location / {{ root /a; {inner} }}"
    found = foreseen(live, candidate)
    assert any("without a Referer" in reason for reason in found) is closed, found
    assert not foreseen(candidate, candidate)


def test_connections_beside_those_of_live() -> None:
    zone = "limit_conn_zone $binary_remote_addr zone=c:1m; " + shop(
        "location /d/ { limit_conn c %d; root /a; }"
    )
    (found,) = predictions(foresight(zone % 100, zone % 5), [at("/d/")])
    assert "5 in at once, 100 before" in found[1]
    assert not list(predictions(foresight(zone % 100, zone % 20), [at("/d/")]))


@pytest.mark.parametrize(
    ("condition", "refuses"),
    [
        ("$request_method = POST", True),
        ("$request_method != GET", True),
        ("$request_method !~ ^(GET|HEAD)$", True),
        ("$request_method ~* ^(post|put)$", True),
        ("$request_method !~ ^(GET|HEAD|POST)$", False),
        ("$request_method = TRACE", False),
        ("$http_x_method != GET", False),
    ],
)
def test_a_method_that_an_application_is_asked_with(condition: str, refuses: bool) -> None:
    closing = f"if ({condition}) {{ return 405; }}"
    for live, candidate, said in (
        (shop(), shop(closing), refuses),
        (shop(closing), shop(closing + " "), False),  # as before
        (shop(), shop(closing.replace("405", "301 /")), False),
        (shop(), shop(f"location /feed/ {{ {closing} proxy_pass http://10.0.0.1; }}"), False),  # of its own
    ):
        both = foresight(live, candidate)
        found = [r for q in (SHOP, at("/feed/")) for _, r in predictions(both, [q])]
        assert any("POST gets through" in reason for reason in found) is said, candidate


LARGE = page(set_cookie=f"basket={'x' * 6000}; Path=/")


@pytest.mark.parametrize(
    ("live", "candidate", "answer", "bad"),
    [
        ("", "large_client_header_buffers 4 4k;", LARGE, True),
        ("large_client_header_buffers 4 16k;", "large_client_header_buffers 4 5k;", LARGE, True),
        ("", "large_client_header_buffers 4 16k;", LARGE, False),
        ("", "large_client_header_buffers 4 4k;", page(set_cookie="a=1"), False),
        ("large_client_header_buffers 4 4k;", "large_client_header_buffers 2 4k;", LARGE, False),
    ],
)
def test_the_applications_own_cookies_fit(
    live: str, candidate: str, answer: AnswerClass, *, bad: bool
) -> None:
    insight = foresight(shop(live), shop(candidate))
    insight.before = {SHOP: answer}
    found = [reason for _, reason in predictions(insight, [SHOP])]
    assert ["large_client_header_buffers is 4" in r and "become 400" in r for r in found] == [True] * bad


FORGETS = 'proxy_set_header Cookie "";'


@pytest.mark.parametrize(
    ("candidate", "answer", "bad"),
    [
        (FORGETS, page(), True),
        (FORGETS, page(kind="text/css"), False),  # the same for everybody
        (f"{FORGETS} proxy_cache pages;", page(), False),
        ("proxy_set_header Cookie $http_cookie;", page(), False),
    ],
)
def test_the_application_knows_its_users_again(candidate: str, answer: AnswerClass, *, bad: bool) -> None:
    insight = foresight(shop(), shop(candidate))
    insight.before = {SHOP: answer}
    found = [reason for _, reason in predictions(insight, [SHOP])]
    assert bool([reason for reason in found if "knows nobody again" in reason]) is bad


@pytest.mark.parametrize(
    ("live", "candidate", "bad"),
    [
        ("", "fastcgi_cache wiki;", True),
        ("", "fastcgi_cache wiki; fastcgi_cache_key $host$request_uri;", False),
        ("", "fastcgi_cache off;", False),
        ("fastcgi_cache wiki;", "fastcgi_cache wiki; fastcgi_cache_valid 5m;", False),  # as before
    ],
)
def test_every_page_has_a_key_of_its_own(live: str, candidate: str, *, bad: bool) -> None:
    script = shop().replace("proxy_pass http://10.0.0.1;", "fastcgi_pass 127.0.0.1:9000; %s")
    found = predictions(foresight(script % live, script % candidate), [SHOP])
    assert bool([reason for _, reason in found if "without fastcgi_cache_key" in reason]) is bad


HIDDEN = "error_page 404 /404.html; location ~ /[.] { %s }"


@pytest.mark.parametrize(
    ("inside", "opened"),
    [("return 404;", False), ("return 200 yes;", True), ("rewrite ^ /x last; return 404;", True), ("", True)],
)
def test_a_page_for_the_error_opens_nothing(inside: str, opened: bool) -> None:
    both = foresight(shop(HIDDEN % "deny all;"), shop(HIDDEN % inside))
    found = [reason for _, reason in predictions(both, [at("/.env")])]
    assert bool(found) is opened, found
