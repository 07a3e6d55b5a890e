"""What users of the base do all day. Every one of these is answered well by the base."""

from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask

WWW, SHOP, WIKI = (
    "https://www.orchard.example",
    "https://shop.orchard.example",
    "https://wiki.orchard.example",
)
OLD, INTRANET = "http://old.orchard.example", "http://intranet.orchard.example:8080"
STAFF = {"Authorization": "Basic Z2FyZGVuZXI6cGx1bXM="}  # gardener, plums
SECURE = {
    "Strict-Transport-Security": "max-age=",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": ".",
}
SOCKET = {"Connection": "Upgrade", "Upgrade": "websocket"}

_ASKS = (
    Ask("www: home", f"{WWW}/", body="Orchard: fruit since 1911", headers=SECURE),
    Ask("www: a page", f"{WWW}/contact.html", body="Contact us"),
    Ask("www: a directory", f"{WWW}/products/", body="Our products"),
    Ask("www: a directory without its slash", f"{WWW}/products", 301, location=f"{WWW}/products/$"),
    Ask("www: prices", f"{WWW}/prices", body="Prices", headers={"Content-Type": "text/html"}),
    Ask("www: style sheet", f"{WWW}/assets/site.css", body="darkgreen", headers={"Content-Type": "text/css"}),
    Ask("www: style sheet's headers", f"{WWW}/assets/site.css", headers={**SECURE, "Expires": "."}),
    Ask("www: old address of a page", f"{WWW}/fruit/plums.html", 301, location=f"{WWW}/products/plums.html$"),
    Ask("www: press kit", f"{WWW}/press/kit.html", body="Press kit"),
    Ask("www: to the shop", f"{WWW}/buy/", 302, location=f"{SHOP}/$"),
    Ask("www: no such page", f"{WWW}/nothing-here.html", 404, body="There is no such page"),
    Ask("www: hidden files stay hidden", f"{WWW}/.env", 403),
    Ask("www: short name", "https://orchard.example/prices", 301, location=f"{WWW}/prices$"),
    Ask("www: plain to TLS", "http://www.orchard.example/prices", 301, location=f"{WWW}/prices$"),
    Ask("www: short and plain", "http://orchard.example/a?b=c", 301, location=rf"{WWW}/a\?b=c$"),
    Ask(
        "www: certificate renewal",
        "http://www.orchard.example/.well-known/acme-challenge/probe",
        body="token",
    ),
    Ask("shop: home", f"{SHOP}/", body="storefront path=/ ", headers=SECURE),
    Ask("shop: arguments", f"{SHOP}/find?q=plum%20jam", body=r"storefront path=/find\?q=plum%20jam "),
    Ask("shop: the app knows the client", f"{SHOP}/who", body=r"client=(127|198)\."),
    Ask("shop: orders", f"{SHOP}/api/orders", body='"path": "/v1/orders"', headers=SECURE),
    Ask("shop: one order", f"{SHOP}/api/orders/7?full=1", body=r'"path": "/v1/orders/7\?full=1"'),
    Ask("shop: orders, five in a row", f"{SHOP}/api/orders", body="orders", times=5),
    Ask("shop: login", f"{SHOP}/login", body="storefront path=/login "),
    Ask("shop: login, twice wrong, then right", f"{SHOP}/login", body="storefront", times=3),
    Ask("shop: catalogue", f"{SHOP}/catalogue/plums", body="storefront path=/catalogue/plums "),
    Ask("shop: another page of it", f"{SHOP}/catalogue/pears?page=2", body=r"path=/catalogue/pears\?page=2 "),
    Ask("shop: websocket", f"{SHOP}/live", 101, send=SOCKET),
    Ask("shop: account", f"{SHOP}/account/", body="storefront path=/account/ "),
    Ask("shop: a picture sent", f"{SHOP}/upload/picture", body="storefront", upload=3_000_000),
    Ask("shop: slow export", f"{SHOP}/export/2023", body="storefront path=/export/2023 "),
    Ask("shop: script", f"{SHOP}/static/shop.js", body="console", headers={"Content-Type": "javascript"}),
    Ask("shop: back office stays closed", f"{SHOP}/admin/users", 403),
    Ask("shop: the sorry page is no page", f"{SHOP}/sorry.html", 404),
    Ask("shop: plain to TLS", "http://shop.orchard.example/find?q=1", 301, location=rf"{SHOP}/find\?q=1$"),
    Ask(
        "shop: certificate renewal",
        "http://shop.orchard.example/.well-known/acme-challenge/probe",
        body="token",
    ),
    Ask("wiki: home", f"{WIKI}/", body="wiki page / "),
    Ask(
        "wiki: a page",
        f"{WIKI}/Pruning?action=edit",
        body=r"wiki page /Pruning\?action=edit query=action=edit",
    ),
    Ask("wiki: a file", f"{WIKI}/logo.txt", body="wiki logo"),
    Ask("wiki: the script itself", f"{WIKI}/index.php", body="wiki page /index.php", without=("<?php",)),
    Ask("wiki: no such script", f"{WIKI}/nothing.php", 404),
    Ask("intranet: with a password", f"{INTRANET}/", body="Orchard intranet", send=STAFF),
    Ask("intranet: without one", f"{INTRANET}/", 401, headers={"WWW-Authenticate": "Orchard staff"}),
    Ask("intranet: reports", f"{INTRANET}/reports/2024", body="reports path=/reports/2024", send=STAFF),
    Ask("intranet: reports without a password", f"{INTRANET}/reports/2024", 401),
    Ask("intranet: ping", f"{INTRANET}/ping", body="pong"),
    Ask("old: home", f"{OLD}/", 301, location=f"{WWW}/$"),
    Ask("old: a page that moved", f"{OLD}/prices.asp", 301, location=f"{WWW}/prices$"),
    Ask("nobody's name", "http://nobody.example/", 404),
)
ASKS = {ask.name: ask for ask in _ASKS}
