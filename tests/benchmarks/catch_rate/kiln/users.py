"""What users of Kiln do all day. Every one of these is answered well by the base."""

# ruff: noqa: E501 - a request each
from __future__ import annotations

import base64
import hashlib

from tests.benchmarks.catch_rate.asking import Ask

SHOP = "https://kiln.example"
API, MEDIA, STUDIO, CLASSIC = (
    f"https://{name}.kiln.example" for name in ("api", "media", "studio", "classic")
)
ANNA, BO = "https://anna.potters.kiln.example", "https://bo.potters.kiln.example"
STATUS = "http://status.kiln.internal:8099"
MIRA = {"Authorization": "Basic bWlyYTp0ZXJyYWNvdHRh"}  # mira, terracotta
OFFICE = {"X-Forwarded-For": "203.0.113.9"}
OUTSIDE = {"X-Forwarded-For": "198.51.100.99"}
SOCKET = {"Connection": "Upgrade", "Upgrade": "websocket"}
SIGNED = {"X-Signature": "abc", "Content-Type": "application/json"}
SAFE = {
    "Strict-Transport-Security": "max-age=[1-9]",
    "Content-Security-Policy": "default-src 'self'",
    "X-Content-Type-Options": "nosniff",
}
LATER, EARLIER = 2524608000, 1000000000


def paid(path: str, expires: int) -> str:
    """The link that a customer was sent."""
    digest = hashlib.md5(f"{expires}{path} clay".encode()).digest()  # noqa: S324 - nginx has no other
    return f"{MEDIA}{path}?md5={base64.urlsafe_b64encode(digest).decode().rstrip('=')}&expires={expires}"


_ASKS = (
    Ask("shop: home", f"{SHOP}/", body="kiln page path=/ ", headers={**SAFE, "Content-Type": "html; charset=utf-8"}),
    Ask("shop: a page", f"{SHOP}/glazes/12", body="kiln page path=/glazes/12 query_string= "),
    Ask("shop: a search", f"{SHOP}/search?q=blue%20rim&p=2", body="path=/search query_string=q=blue%20rim&p=2 "),
    Ask("shop: a message sent", f"{SHOP}/contact", body="content_length=1500000 method=POST", upload=1_500_000),
    Ask("shop: a page that is slow", f"{SHOP}/firing", body="path=/firing"),
    Ask("shop: basket", f"{SHOP}/basket", body="path=/basket", headers={"Set-Cookie": "basket="}),
    Ask("shop: many cookies", f"{SHOP}/glazes/3", body="path=/glazes/3", send={"Cookie": "old=" + "c" * 9000}),
    Ask("shop: no such page", f"{SHOP}/nothing/here", 404, body="Kiln has no such page"),
    Ask("shop: in German", f"{SHOP}/", body="lang=de ", send={"Accept-Language": "de-CH,de;q=0.9"}),
    Ask("shop: a language chosen", f"{SHOP}/", body="lang=fr ",
        send={"Accept-Language": "de", "Cookie": "lang=fr"}),
    Ask("shop: from Switzerland", f"{SHOP}/", body="region=ch ", send={"X-Forwarded-For": "192.0.2.200"}),
    Ask("shop: a front kept", f"{SHOP}/", body="front=slab ", send={"Cookie": "front=slab"}),
    Ask("shop: the client is known", f"{SHOP}/", body=r"remote_addr=198\.51\.100\.99 ", send=OUTSIDE),
    Ask("shop: an entry by path", f"{SHOP}/catalog.php/bowls/7", body="entry=/bowls/7"),
    Ask("shop: an old recipe", f"{SHOP}/recipe/celadon-two", body="query_string=page=recipe&name=celadon-two "),
    Ask("shop: an old item", f"{SHOP}/shop/item-204.html", 301, location=rf"{SHOP}/glazes/204$"),
    Ask("shop: moved", f"{SHOP}/clay.htm", 301, location=rf"(?:{SHOP})?/glazes/clay$"),
    Ask("shop: a paper moved", f"{SHOP}/pdf/price-list", 301, location=rf"{MEDIA}/downloads/price-list\.pdf$"),
    Ask("shop: the guide", f"{SHOP}/guide/", body="Guide to firing", headers=SAFE),
    Ask("shop: the guide without a slash", f"{SHOP}/guide", 301, location=rf"{SHOP}/guide/$"),
    Ask("shop: terms", f"{SHOP}/terms", body="Terms of trade", headers={"Content-Type": "text/html"}),
    Ask("shop: terms in German", f"{SHOP}/terms", body="Geschaefts", send={"Accept-Language": "de"}),
    Ask("shop: style sheet", f"{SHOP}/theme/shop.css", body="glaze-1", headers={
        **SAFE, "Content-Type": "text/css", "Cache-Control": "max-age=2592000"}),
    Ask("shop: style sheet, packed", f"{SHOP}/theme/shop.css", send={"Accept-Encoding": "gzip"},
        headers={"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}),
    Ask("shop: manifest", f"{SHOP}/app.webmanifest", body="Kiln", headers={"Content-Type": "manifest.json"}),
    Ask("shop: login", f"{SHOP}/login", body="path=/login ", upload=40, times=3),
    Ask("shop: an upload seen", f"{SHOP}/uploads/mug.txt", body="blue rim",
        headers={**SAFE, "Content-Disposition": "attachment"}),
    Ask("shop: an upload is not run", f"{SHOP}/uploads/shell.php", 403, body="This door is closed"),
    Ask("shop: hidden files", f"{SHOP}/.env", 403, without=("SECRET",)),
    Ask("shop: back office from outside", f"{SHOP}/admin/", 401, send=OUTSIDE),
    Ask("shop: back office script from outside", f"{SHOP}/admin/index.php", 401, send=OUTSIDE),
    Ask("shop: back office with a password", f"{SHOP}/admin/", body="back office path=/admin/ user=mira",
        send={**OUTSIDE, **MIRA}),
    Ask("shop: back office from the office", f"{SHOP}/admin/orders?open=1", body="back office", send=OFFICE),
    Ask("shop: configurator", f"{SHOP}/configurator/step/1", body='configurator /step/1.*href="/configurator/step/2"',
        headers={"Set-Cookie": "Path=/configurator/"}, send={"Accept-Encoding": "gzip;q=0.5"}, without=("internal",)),
    Ask("shop: configurator begins", f"{SHOP}/configurator/start", 302,
        location=rf"(?:{SHOP})?/configurator/step/1$"),
    Ask("shop: configurator broken", f"{SHOP}/configurator/broken", 500, body="Something cracked",
        without=("Traceback",)),
    Ask("shop: over IPv6", f"{SHOP}/glazes/1", body="path=/glazes/1 ", over_ipv6=True),
    Ask("shop: www", "https://www.kiln.example/search?q=a", 301, location=rf"{SHOP}/search\?q=a$", headers=SAFE),
    Ask("shop: plain", "http://kiln.example/search?q=a", 301, location=rf"{SHOP}/search\?q=a$"),
    Ask("shop: www and plain", "http://www.kiln.example/", 301, location="https://(?:www.)?kiln.example/$"),
    Ask("shop: certificate renewal", "http://kiln.example/.well-known/acme-challenge/probe", body="token"),
    Ask("api: a thing", f"{API}/v1/pots?size=2", body=r'"path": "/v1/pots\?size=2"', headers={
        **SAFE, "Content-Type": "json"}),
    Ask("api: knows the client", f"{API}/v1/me", body=r'"client": "198\.51\.100\.99"', send=OUTSIDE),
    Ask("api: quotes", f"{API}/quotes", body='"path": "/quotes"', times=4),
    Ask("api: no such thing", f"{API}/unknown/1", 404, body='"hint": "see /v1"', headers={"Content-Type": "json"}),
    Ask("api: session", f"{API}/session", body="/session", headers={"Set-Cookie": "(?i)secure.*httponly"}),
    Ask("api: a long list, packed", f"{API}/glazes", headers={"Content-Encoding": "gzip"},
        send={"Accept-Encoding": "gzip"}),
    Ask("api: an older till", f"{API}/v1/pots", body="/v1/pots", old_tls=True),
    Ask("api: stock for Anna", f"{API}/stock/bowls", body='"customer": "anna"', send={"Cookie": "session=anna"}),
    Ask("api: stock", f"{API}/stock/bowls", body='"customer": "everybody"', headers={**SAFE, "X-Cache": "."}),
    Ask("api: stock of a size", f"{API}/stock/bowls?size=3", body=r"bowls\?size=3"),
    Ask("api: stock for the shop's pages", f"{API}/stock/bowls", body="everybody", send={"Origin": SHOP},
        headers={"Access-Control-Allow-Origin": f"^{SHOP}$"}),
    Ask("api: stock for a strange site", f"{API}/stock/bowls", send={"Origin": "https://pots.example"},
        without=("pots.example", "Allow-Origin")),
    Ask("api: a report", f"{API}/reports/year", body="/reports/year"),
    Ask("api: twenty in a row", f"{API}/v1/pots", body="/v1/pots", times=20),
    Ask("api: websocket", f"{API}/live", 101, send=SOCKET),
    Ask("api: events", f"{API}/events", body="event 1", headers={"Content-Type": "event-stream"}),
    Ask("api: a payment announced", f"{API}/hooks/payments", body='"took": "200000", "signature": "abc"',
        upload=200_000, send=SIGNED),
    Ask("api: too much announced", f"{API}/hooks/payments", 413, upload=300_000, send=SIGNED),
    Ask("api: hooks are not read", f"{API}/hooks/payments", 403, send=SIGNED),
    Ask("media: a picture", f"{MEDIA}/mug.jpg", body="picture of a mug", send={"Referer": f"{SHOP}/guide/"},
        headers={**SAFE, "Content-Type": "image/jpeg", "Cache-Control": "max-age=604800"}),
    Ask("media: a picture for a potter's page", f"{MEDIA}/mug.jpg", body="mug", send={"Referer": f"{ANNA}/"}),
    Ask("media: a picture elsewhere", f"{MEDIA}/mug.jpg", 403, send={"Referer": "https://thief.example/"}),
    Ask("media: a font", f"{MEDIA}/fonts/slip.woff2", body="font slip", headers={
        **SAFE, "Access-Control-Allow-Origin": r"\*", "Cache-Control": "max-age=31"}),
    Ask("media: a piece of a film", f"{MEDIA}/video/throwing.mp4", 206, body="^23456$",
        send={"Range": "bytes=2-6"}, headers={"Content-Range": "bytes 2-6/"}),
    Ask("media: a course", paid("/paid/wheel.mp4", LATER), body="course: the wheel"),
    Ask("media: a course not paid", f"{MEDIA}/paid/wheel.mp4", 403, without=("the wheel",)),
    Ask("media: a course too late", paid("/paid/wheel.mp4", EARLIER), 410),
    Ask("media: price list", f"{MEDIA}/downloads/price-list.pdf", body="price list", headers={
        **SAFE, "Content-Disposition": "attachment", "Content-Type": "pdf"}),
    Ask("media: chart", f"{MEDIA}/downloads/glaze-chart.txt", body="chart of glazes"),
    Ask("media: a raw photo", f"{MEDIA}/raw/kiln-7.dng", body="raw photo seven"),
    Ask("media: a thumbnail", f"{MEDIA}/thumbs/200/mugs/blue.jpg", body="w=200 file=mugs/blue.jpg",
        headers={"Content-Type": "image/png"}, without=("tracker",)),
    Ask("media: another size", f"{MEDIA}/thumbs/400/mugs/blue.jpg", body="w=400 file=mugs/blue.jpg"),
    Ask("studio: from outside", f"{STUDIO}/", 401, send=OUTSIDE, headers={"WWW-Authenticate": "Studio"}),
    Ask("studio: who says to be the office", f"{STUDIO}/", 401,
        send={"X-Forwarded-For": "203.0.113.9, 198.51.100.99"}),
    Ask("studio: from the office", f"{STUDIO}/plans", body="studio path=/plans user= ", send=OFFICE, headers=SAFE),
    Ask("studio: with a password", f"{STUDIO}/plans", body="user=mira ", send={**OUTSIDE, **MIRA}),
    Ask("studio: today's plan", f"{STUDIO}/plan", 302, location=f"{STUDIO}/plans/today$", send=MIRA),
    Ask("studio: a file sent", f"{STUDIO}/upload", body="took=6000000", upload=6_000_000, send=MIRA),
    Ask("studio: a design", f"{STUDIO}/files/design-12.txt", body="design twelve", send=MIRA),
    Ask("studio: not past the studio", f"{STUDIO}/_vault/design-12.txt", 404, send=MIRA),
    Ask("studio: board", f"{STUDIO}/board/", body="Firing at nine", send=MIRA),
    Ask("studio: manual", f"{STUDIO}/manual/safety.html", body="Safety first", send=MIRA),
    Ask("studio: manual from outside", f"{STUDIO}/manual/safety.html", 401, send=OUTSIDE),
    Ask("studio: ping", f"{STUDIO}/ping", body="pong", send=OUTSIDE),
    Ask("potters: Anna", f"{ANNA}/", body="Anna throws bowls", headers=SAFE),
    Ask("potters: Anna's style", f"{ANNA}/style.css", body="teal", headers={**SAFE, "Content-Type": "css"}),
    Ask("potters: Bo has ours", f"{BO}/style.css", body="sienna"),
    Ask("potters: rules", f"{BO}/house-rules.html", body="Rules of the house"),
    Ask("potters: no such page", f"{BO}/nothing", 404, body="not on the shelf"),
    Ask("potters: moved", "https://orla.potters.kiln.example/cups?n=1", 302,
        location=r"https://orla-ceramics\.example/cups\?n=1$"),
    Ask("potters: plain", "http://anna.potters.kiln.example/", 301, location=f"{ANNA}/$"),
    Ask("classic: home", f"{CLASSIC}/", body="the old site", headers=SAFE),
    Ask("classic: a thread", f"{CLASSIC}/forum/thread-81.html", body="forum t=81&p=1$"),
    Ask("classic: its second page", f"{CLASSIC}/forum/thread-81-2.html", body="forum t=81&p=2$"),
    Ask("classic: a glaze", f"{CLASSIC}/cgi-bin/glaze.pl?id=44", 301, location=rf"{SHOP}/glazes/44$"),
    Ask("classic: news", f"{CLASSIC}/news/", 302, location=f"{CLASSIC}/archive/$"),
    Ask("classic: archive", f"{CLASSIC}/archive/", body="1999.html"),
    Ask("classic: a text", f"{CLASSIC}/texts/glasur.txt", body="Gr\xfcn", headers={"Content-Type": "iso-8859-1"}),
    Ask("classic: somebody's page", f"{CLASSIC}/~mia/pots.html", body="Pots of Mia",
        headers={"Content-Type": "text/html"}),
    Ask("classic: guestbook", f"{CLASSIC}/guestbook/sign", 410),
    Ask("classic: other scripts", f"{CLASSIC}/admin.php", 404, body="not on the shelf"),
    Ask("status: alive", f"{STATUS}/healthz", body="fired"),
    Ask("status: numbers", f"{STATUS}/nginx", body="Active connections"),
    Ask("status: not for the world", f"{STATUS}/nginx", 403, send=OUTSIDE),
    Ask("strangers: plain", "http://nobody.example/", trouble="RemoteDisconnected"),
    Ask("strangers: TLS", "https://nobody.example/", trouble="TLS"),
)  # fmt: skip
ASKS = {ask.name: ask for ask in _ASKS}

LONG = Ask("api: an hour of events", f"{API}/events?long", body="event 4")
"""Takes seven seconds; a browser that hears nothing for six gives up."""


def users(*names: str) -> tuple[Ask, ...]:
    """Asks of Kiln, by name."""
    return tuple(ASKS[name] for name in names)
