"""What both configurations say: what is meant, and what is suspicious."""

from __future__ import annotations

import pytest

from deployer.comparison.asked import AnswerClass, Question
from deployer.comparison.judge import worse
from deployer.comparison.reading.predictions import predictions
from deployer.comparison.routes import Origin

from .configured import SHOP, at, foresight, moved, page

DEFAULT = Question("127.0.0.1", 80, "")
INNER = Question("127.0.0.1", 8081, "")
CLOSED = AnswerClass("the connection was closed without an answer")
SHOPS = "server { listen 80; server_name shop.example.com; location / { proxy_pass http://10.0.0.1; } %s }"
BLOG = "server { listen 80; server_name blog.example.com; location / { proxy_pass http://10.0.0.2; } }"


def shop(inside: str = "", more: str = "") -> str:
    return SHOPS % inside + more


def why(
    candidate: str, question: Question, new: AnswerClass, live: str = shop(), *, made_up: bool = False
) -> str | None:
    seen = foresight(live, candidate, {question: Origin.BELOW if made_up else Origin.WRITTEN})
    return seen.meant(question, new)


POST_ONLY = "limit_except POST { deny all; }"
SOCKET = "proxy_set_header Upgrade $http_upgrade; proxy_pass http://10.0.0.3;"
UNLESS_POST = "if ($request_method != POST) { return 405; }"


@pytest.mark.parametrize(
    ("inside", "path", "status", "meant"),
    [
        ("location ~ /\\.git { deny all; }", "/.git/HEAD", 403, True),
        ("location = /xmlrpc.php { return 404; }", "/xmlrpc.php", 404, True),
        ("location /admin/ { auth_basic x; proxy_pass http://10.0.0.1; }", "/admin/", 401, True),
        ("location /admin/ { return 503; }", "/admin/", 503, False),
        (f"location = /hook {{ {POST_ONLY} proxy_pass http://10.0.0.1; }}", "/hook", 403, True),
        (
            "location /hook/ { if ($request_method != POST) { return 405; } proxy_pass http://a; }",
            "/hook/",
            405,
            True,
        ),
        (f"location ~ /hook {{ {POST_ONLY} proxy_pass http://10.0.0.1; }}", "/hook", 403, False),
        ("location /hook/ { limit_except GET { deny all; } proxy_pass http://a; }", "/hook/", 403, False),
        (f"location = /stream {{ {SOCKET} }}", "/stream", 426, True),
        (f"location = /stream {{ {SOCKET} }}", "/stream", 404, False),
        ("location = /stream { proxy_pass http://10.0.0.3; }", "/stream", 426, False),
        ("location /account/ { deny all; }", "/account/", 403, False),
        ("deny all;", "/.git/HEAD", 403, False),
        ("return 404;", "/", 404, False),
    ],
)
def test_what_is_closed_by_a_location_of_its_own(inside: str, path: str, status: int, meant: bool) -> None:
    assert bool(why(shop(inside), at(path), page(status=status))) is meant


@pytest.mark.parametrize(
    ("inside", "path", "status", "made_up", "meant"),
    [
        ("location ~ \\.css$ { root /srv; }", "/probe.css", 404, True, True),
        ("location ~ \\.css$ { root /srv; }", "/probe.css", 404, False, False),
        ("location ~ \\.css$ { root /srv; }", "/probe.css", 403, True, False),
        ("location ~ \\.css$ { proxy_pass http://10.0.0.9; }", "/probe.css", 404, True, False),
        ("location /assets/ { root /srv; }", "/assets/", 403, False, True),
        ("location /assets/ { root /nowhere; }", "/assets/", 404, False, False),
        ("location /assets/ { root /srv; try_files $uri =404; }", "/assets/", 404, False, True),
        ("location ^~ /.well-known/acme/ { root /srv; }", "/.well-known/acme/", 404, False, True),
    ],
)
def test_files_that_nobody_has(inside: str, path: str, status: int, made_up: bool, meant: bool) -> None:
    assert bool(why(shop(inside), at(path), page(status=status), made_up=made_up)) is meant


def test_an_expression_that_was_written_anew_is_proved_by_what_users_ask_for() -> None:
    live = shop("location ~ \\.php$ { proxy_pass http://10.0.0.3; }")
    candidate = shop("location ~ ^/app/.*\\.php$ { proxy_pass http://10.0.0.3; }")
    invented, asked = at("/probe.php"), at("/app/index.php")
    both = foresight(live, candidate, {invented: Origin.PATTERN, asked: Origin.SEEN})
    both.before = {invented: page(), asked: page()}
    for after, meant in ((page(), True), (page(status=404), False)):
        both.after = {invented: page(status=404), asked: after}
        assert bool(both.meant(invented, page(status=404))) is meant
    assert both.meant(asked, page(status=404)) is None
    alone = foresight(live, candidate, {invented: Origin.PATTERN})
    assert alone.meant(invented, page(status=404)) is None


def test_who_is_sent_elsewhere_is_let_into_nothing() -> None:
    live = shop("location /old/ { proxy_pass http://10.0.0.3; } location ~ /\\. { deny all; }")
    hidden = at("/old/.probe")
    for answer, opens in (("return 301 /new/$1", False), ("root /srv", True)):
        both = foresight(
            live, live.replace("location ~ /", f"location ~ ^/old/(.*) {{ {answer}; }} location ~ /")
        )
        both.before, both.after = {hidden: page(status=403)}, {hidden: page()}
        assert bool(["open to the public" in reason for _, reason in predictions(both, [hidden])]) is opens


def test_a_default_server_of_its_own_is_meant_and_a_lost_one_is_not() -> None:
    refuses = "server { listen 80 default_server; server_name _; return 444; }"
    assert why(shop(more=refuses), DEFAULT, CLOSED)
    assert not why(shop(more=refuses), SHOP, CLOSED)
    assert not why(shop(), DEFAULT, page(status=503))
    lost = foresight(refuses + shop(), shop(more=refuses.replace(" default_server", "")))
    assert "default_server is lost: shop.example.com" in str(lost.suspicion(DEFAULT, page()))


def test_a_name_that_live_does_not_list_is_new() -> None:
    assert why(shop(more=BLOG), Question("127.0.0.1", 80, "blog.example.com"), page(status=404))
    assert not why(shop(), SHOP, page(status=404))


def test_what_nginx_asks_of_itself_cannot_be_rehearsed() -> None:
    inner = "server { listen 127.0.0.1:8081; return 200 x; }"
    passing = shop().replace("http://10.0.0.1", "http://127.0.0.1:8081") + inner
    seen = foresight(shop(), passing)
    seen.after = {INNER: page()}
    assert "which only the candidate has" in str(seen.meant(SHOP, page(status=502)))
    seen.after = {INNER: page(status=500)}
    assert seen.meant(SHOP, page(status=502)) is None
    assert seen.meant(SHOP, page(status=503)) is None
    # The other way round: a listener that only nginx asked is closed with what asked there.
    assert why(shop(), INNER, CLOSED, live=passing)
    assert not why(passing.replace(inner, ""), INNER, CLOSED, live=passing)
    assert not why(shop(), INNER, CLOSED, live=shop(more=inner))


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (shop().replace("shop.example", "shpo.example"), "no server there has the name"),
        ("server { listen 80; server_name shop.example.com; }" + shop(), "two servers have the name"),
        (shop().replace("http://10.0.0.1;", "http://10.0.0.1/x/;"), None),
        (shop("location ~ ^/api/.*$ { root /srv; }"), "takes what location /api/ answered"),
        (shop().replace("proxy_pass", "return 200; proxy_pass"), "a return stands beside"),
        (shop("location /api/v2/ { proxy_pass http://10.0.0.1/; }"), None),
        (shop("location /api/ { proxy_pass http://10.0.0.1/; }"), "the upstream is asked for /x"),
        (shop("location /api/ { proxy_pass http://10.0.0.3/; }"), None),
    ],
)
def test_why_another_content_is_suspicious(candidate: str, said: str | None) -> None:
    if "/api/" in candidate and "v2" not in candidate and "location ~" not in candidate:
        live = shop("location /api/ { proxy_pass http://10.0.0.1; }")
    elif "location ~" in candidate:
        live = shop("location /api/ { proxy_pass http://10.0.0.1; }")
        candidate = live[:-1] + " location ~ ^/api/.*$ { root /srv; } }"
    else:
        live = shop()
    question = at("/api/v2/x") if "v2" in candidate else at("/api/x") if "/api/" in candidate else SHOP
    found = foresight(live, candidate).suspicion(question, page("other"))
    assert (found is None) if said is None else (said in str(found))


def test_the_page_of_another_site_is_the_wrong_one_unless_they_were_joined() -> None:
    blog = Question("127.0.0.1", 80, "blog.example.com")
    wrong = foresight(shop(more=BLOG), shop(more=BLOG).replace("10.0.0.1", "10.0.0.2"))
    wrong.before = {SHOP: page("shop"), blog: page("blog")}
    assert worse(SHOP, page("shop"), page("blog"), wrong) == "it answers with the page of blog.example.com"
    joined = foresight(
        shop(more=BLOG), BLOG.replace("blog.example.com;", "blog.example.com shop.example.com;")
    )
    joined.before = wrong.before
    assert worse(SHOP, page("shop"), page("blog"), joined) is None


def test_a_header_that_an_inner_block_hides() -> None:
    live = "add_header X-Mine 1; " + shop()
    inner = "add_header X-Mine 1; " + shop().replace("proxy_pass", "add_header X-New 1; proxy_pass")
    assert "X-New" not in str(worse(SHOP, page(x_mine="1"), page(x_new="1"), foresight(live, inner)))
    assert "x-mine is lost" in str(worse(SHOP, page(x_mine="1"), page(x_new="1"), foresight(live, inner)))
    assert worse(SHOP, page(x_mine="1"), page(), foresight(live, shop())) is None


def test_who_asked_for_it_may_go_on_and_what_is_well_known_is_for_everybody() -> None:
    seen = foresight(
        shop(),
        shop(f"location = /hook {{ {POST_ONLY} proxy_pass http://10.0.0.1; }}"),
        {at("/hook"): Origin.SEEN},
    )
    assert not seen.meant(at("/hook"), page(status=403))
    hidden = shop("location ~ /\\. { deny all; }")
    other = foresight(hidden, hidden.replace("/\\.", "/\\.(?!well-known/)"))
    assert other.opened(at("/.well-known/acme-challenge/x"))
    assert not other.opened(at("/.git/HEAD"))
    assert not list(predictions(other, [at("/.well-known/acme-challenge/x")]))


MOVED = "location /fruit/ { rewrite ^/fruit/(.*)$ /products/$1 permanent; } "
FONTS = "location ~* \\.(woff2?|html)$ { root /srv; expires 1y; } "


@pytest.mark.parametrize(
    ("path", "origin", "live", "meant"),
    [
        ("/fruit/probe.woff", Origin.PATTERN, MOVED, True),
        ("/fruit/probe.woff", Origin.SEEN, MOVED, False),  # somebody asks for it
        ("/fruit/probe.html", Origin.PATTERN, MOVED, False),  # pages are linked to by others
        ("/fruit/probe.woff", Origin.PATTERN, "location /fruit/ { proxy_pass http://10.0.0.1; } ", False),
    ],
)
def test_a_font_under_an_old_address_is_nobodys(path: str, origin: Origin, live: str, *, meant: bool) -> None:
    question = at(path)
    seen = foresight(shop(live), shop(live + FONTS), {question: origin})
    seen.before = {question: moved("https://shop.example.com/products/x")}
    assert bool(seen.meant(question, page(status=404))) is meant


def test_a_prefix_that_is_said_twice() -> None:
    api = "location /api/ { proxy_pass http://10.0.0.1%s; }"
    for path, said in (("/v1/api/v1/", "is asked for /v1/api/v1/x"), ("/next/v1/", "None")):
        seen = foresight(shop(api % "/v1/"), shop(api % path))
        assert said in str(seen.suspicion(at("/api/x"), page()))


@pytest.mark.parametrize(
    ("named", "before", "meant"),
    [
        ("server_name _;", page(status=404), True),
        ("server_name _;", page(), False),  # whoever asked without a name got a page
        ("server_name shop.example.com;", page(status=404), False),
    ],
)
def test_a_handshake_is_refused_to_strangers(named: str, before: AnswerClass, *, meant: bool) -> None:
    live = f"server {{ listen 443 ssl default_server; {named} return 404; }}"
    both = foresight(live, live.replace("return 404", "ssl_reject_handshake on; return 404"))
    question = Question("127.0.0.1", 443, "shop.example.com" if "shop" in named else "")
    both.before = {question: before}
    reason = both.meant(question, AnswerClass("the TLS handshake failed"))
    assert (reason is not None) is meant


@pytest.mark.parametrize(
    ("live", "candidate", "meant"),
    [
        ("proxy_cache z;", "proxy_cache z;", True),
        ("proxy_cache z;", "proxy_cache z; proxy_connect_timeout 1ms;", False),
        ("", "", False),  # live asked it just now
    ],
)
def test_what_live_has_in_its_cache_proves_no_fault(live: str, candidate: str, *, meant: bool) -> None:
    shop = "server { listen 80; server_name shop.example.com; location / { proxy_pass http://10.0.0.1; %s } }"
    both = foresight(shop % live, shop % candidate)
    assert (both.meant(SHOP, page(status=502)) is not None) is meant
