"""What users of Quay do all day. Every one of these is answered well by the base."""

from __future__ import annotations

from tests.benchmarks.catch_rate.asking import Ask

API, CONSOLE, WWW, FILES = (f"https://{name}.quay.example" for name in ("api", "console", "www", "files"))
NORTHSEA, SMALL = "https://northsea.app.quay.example", "https://smallboats.app.quay.example"
PARTNERS = "https://partners.quay.example:8443"
ADA = {"Authorization": "Bearer harbour-master"}
TOM = {"Authorization": "Bearer deckhand"}
BROWSER = {"Origin": "https://console.quay.example"}
SOCKET = {"Connection": "Upgrade", "Upgrade": "websocket"}
SAFE = {"Strict-Transport-Security": "max-age=", "X-Content-Type-Options": "nosniff", "X-Request-Id": "."}
ALLOWED = {
    "Access-Control-Allow-Origin": "^https://console.quay.example$",
    "Access-Control-Allow-Credentials": "true",
}


def service(name: str, path: str = "") -> str:
    """Pattern of the body of an answer of that service."""
    return f'"service": "{name}", "path": "{path}'


_ASKS = (
    Ask("api: v1", f"{API}/v1/shipments", body=service("api-v1", "/v1/shipments"), send=ADA, headers=SAFE),
    Ask("api: v1 knows who asks", f"{API}/v1/shipments?q=a%20b", body=r'q=a%20b", "user": "ada"', send=ADA),
    Ask("api: v2 by path", f"{API}/v2/ports", body='"service": "api-(v2|next)"', send=ADA),
    Ask("api: v2 by header", f"{API}/shipments", body='"api-(v2|next)"', send={**ADA, "X-Api-Version": "2"}),
    Ask("api: v1 by header", f"{API}/shipments", body=service("api-v1"),
        send={**ADA, "X-Api-Version": "1.4"}),
    Ask("api: no version at all", f"{API}/shipments", body=service("api-v1", "/shipments"), send=ADA),
    Ask("api: canary by header", f"{API}/v2/ports", body=service("api-next"),
        send={**ADA, "X-Canary": "always"}),
    Ask("api: no canary by cookie", f"{API}/v2/ports", body=service("api-v2"),
        send={**ADA, "Cookie": "canary=never"}),
    Ask("api: without a token", f"{API}/v1/shipments", 401, body='"error":"unauthorized"',
        headers={"WWW-Authenticate": "Bearer", "Content-Type": "application/json"}),
    Ask("api: back office for her", f"{API}/v1/admin/users", body=service("api-v1"), send=ADA),
    Ask("api: back office not for him", f"{API}/v1/admin/users", 403, body='"forbidden"', send=TOM),
    Ask("api: a browser's answer", f"{API}/v1/shipments", body="api-v1", send={**ADA, **BROWSER},
        headers={**ALLOWED, **SAFE}),
    Ask("api: a browser asks first", f"{API}/v1/shipments", 204, method="OPTIONS", send=BROWSER,
        headers={**ALLOWED, "Access-Control-Allow-Methods": "DELETE"}),
    Ask("api: a strange site's browser", f"{API}/v1/shipments", send={**ADA, "Origin": "https://evil.example"},
        without=("evil.example",)),
    Ask("api: a shipment sent", f"{API}/v1/shipments", body=service("api-v1"), send=ADA, upload=200_000),
    Ask("api: a manifest, slowly", f"{API}/v1/manifests/all", body=service("api-v1"), send=ADA),
    Ask("api: login", f"{API}/v1/login", body=service("auth", "/login"), upload=30, times=3),
    Ask("api: rates", f"{API}/public/rates", body=service("api-v1", "/v1/public/rates"),
        headers={"X-Cache": "."}),
    Ask("api: rates by route", f"{API}/public/rates?to=oslo", body=r"public/rates\?to=oslo"),
    Ask("api: twenty in a row", f"{API}/v1/shipments", body="api-v1", send=ADA, times=20),
    Ask("api: billing", f"{API}/billing/2024", body=service("billing", "/billing/2024"), send=ADA),
    Ask("api: reports", f"{API}/reports/fleet", body="reports /reports/fleet for ada", send=ADA),
    Ask("api: reports without a token", f"{API}/reports/fleet", 401),
    Ask("api: the oldest version", f"{API}/v0/track", 410, body='"gone"'),
    Ask("api: alive", f"{API}/healthz", body="ok"),
    Ask("api: over IPv6", f"{API}/healthz", body="ok", over_ipv6=True),
    Ask("api: plain", "http://api.quay.example/v1/a?b=c", 308, location=rf"{API}/v1/a\?b=c$"),
    Ask("console: home", f"{CONSOLE}/", body="Quay console", headers={**SAFE, "Cache-Control": "no-cache"}),
    Ask("console: a page of the app", f"{CONSOLE}/fleet/17/route", body="Quay console",
        headers={"Content-Type": "text/html"}),
    Ask("console: script", f"{CONSOLE}/assets/app-41c7.js", body="41c7",
        headers={**SAFE, "Cache-Control": "max-age=31536000|immutable", "Content-Type": "javascript"}),
    Ask("console: script, packed", f"{CONSOLE}/assets/app-41c7.js", send={"Accept-Encoding": "gzip"},
        headers={"Content-Encoding": "gzip"}),
    Ask("console: a script of yesterday", f"{CONSOLE}/assets/app-0000.js", 404),
    Ask("console: settings", f"{CONSOLE}/config.json", body='"api":"https://api',
        headers={"Content-Type": "json"}),
    Ask("console: its backend", f"{CONSOLE}/bff/me", body=service("bff", "/me"),
        headers={"Set-Cookie": "Path=/bff/; Secure"}),
    Ask("console: leaving", f"{CONSOLE}/bff/leave", 302, location=f"{CONSOLE}/bff/left$"),
    Ask("console: news", f"{CONSOLE}/push", 101, send=SOCKET),
    Ask("tenant: small one", f"{SMALL}/orders", body='"tenants-shared", "path": "/orders"', headers=SAFE),
    Ask("tenant: is known by name", f"{SMALL}/", body='"tenant": "smallboats"'),
    Ask("tenant: large one", f"{NORTHSEA}/orders", body=service("tenants-northsea", "/orders")),
    Ask("tenant: in the north", "https://fjord-line.app.quay.example/", body=service("tenants-north", "/")),
    Ask("tenant: own logo", f"{NORTHSEA}/logo.svg", body="north sea", headers={"Content-Type": "svg"}),
    Ask("tenant: our logo", f"{SMALL}/logo.svg", body="<title>quay"),
    Ask("tenant: documents sent", f"{SMALL}/orders", body="tenants-shared", upload=3_000_000),
    Ask("tenant: closed", "https://gone-shipping.app.quay.example/orders", 302,
        location=rf"{WWW}/closed\?tenant=gone-shipping$"),
    Ask("tenant: none named", "https://app.quay.example/", 302, location=f"{CONSOLE}/$"),
    Ask("files: sent", f"{FILES}/upload", body='"took": "9000000"', send=TOM, upload=9_000_000),
    Ask("files: fetched", f"{FILES}/download/lading-117.txt", body="bill of lading", send=TOM, headers=SAFE),
    Ask("files: without a token", f"{FILES}/download/lading-117.txt", 401, body='"error"'),
    Ask("files: not past the service", f"{FILES}/_store/lading-117.txt", 404),
    Ask("partners: theirs", f"{PARTNERS}/v1/shipments", body='"user": "partner", "client": "203.0.113.9"',
        proxied_for="203.0.113.9"),
    Ask("partners: not for strangers", f"{PARTNERS}/v1/shipments", 403, proxied_for="203.0.114.9"),
    Ask("www: home", f"{WWW}/", body="know where it is", headers=SAFE),
    Ask("www: a page", f"{WWW}/company", body="The company", headers={"Content-Type": "text/html"}),
    Ask("www: a directory", f"{WWW}/plans/", body="Plans"),
    Ask("www: style sheet", f"{WWW}/site.css", body="navy", headers={**SAFE, "Cache-Control": "max-age"}),
    Ask("www: moved", f"{WWW}/pricing.html", 301, location=f"(?:{WWW})?/plans/$"),
    Ask("www: old news", f"{WWW}/news/2019/first-box.html", 301, location=f"(?:{WWW})?/blog/2019-first-box$"),
    Ask("www: old product page", f"{WWW}/product/tracking.php", 301, location=f"{WWW}/products/tracking$"),
    Ask("www: no such page", f"{WWW}/nothing", 404, body="Nothing is moored here"),
    Ask("www: short name", "https://quay.example/company", 301, location=f"{WWW}/company$"),
    Ask("www: short and plain", "http://quay.example/", 308, location="https://quay.example/$"),
    Ask("www: certificate renewal", "http://www.quay.example/.well-known/acme-challenge/probe", body="token"),
    Ask("edge: alive", "http://edge.internal:8090/healthz", body="ok"),
    Ask("strangers: plain", "http://nobody.example/", trouble="RemoteDisconnected"),
    Ask("strangers: TLS", "https://nobody.example/", trouble="TLS"),
)  # fmt: skip
ASKS = {ask.name: ask for ask in _ASKS}


def users(*names: str) -> tuple[Ask, ...]:
    """Asks of Quay, by name."""
    return tuple(ASKS[name] for name in names)
