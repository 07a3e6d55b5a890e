"""What nginx says, and what helps."""

from __future__ import annotations

import pytest

from deployer.staging.remedy import Missing, Remedy, complaint, remedy

TEST_FAILED = "\nnginx: configuration file /etc/nginx/nginx.conf test failed\n"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('nginx: [emerg] host not found in upstream "a.internal:80" in /x:1', (Missing.NAME, "a.internal")),
        ('[emerg] 1#1: host not found in upstream "a.internal" in /x:1', (Missing.NAME, "a.internal")),
        ('host not found in "a.example.com:82" of the "listen" directive', (Missing.NAME, "a.example.com")),
        ('mkdir() "/var/cache/shop/one" failed (2: No such file)', (Missing.DIRECTORY, "/var/cache/shop")),
        ('open() "/var/log/shop/x.log" failed (2: No such file)', (Missing.DIRECTORY, "/var/log/shop")),
        ('[emerg] getpwnam("shop") failed in /etc/nginx/nginx.conf:1', (Missing.USER, "shop")),
        ('[emerg] getgrnam("shop") failed (2: x) in /etc/nginx/nginx.conf:1', (Missing.GROUP, "shop")),
        ("bind() to 203.0.113.9:80 failed (99: Cannot assign)", (Missing.ADDRESS, "203.0.113.9")),
        ("bind() to [2001:db8::9]:80 failed (99: Cannot assign", (Missing.ADDRESS, "2001:db8::9")),
        ('open() "/etc/nginx/gone.conf" failed (2: No such file or directory)', None),
        ("bind() to 0.0.0.0:80 failed (98: Address already in use)", None),
        ('unknown directive "brotli" in /x:1', None),
    ],
)  # fmt: skip
def test_what_the_machine_lacks_can_be_made(said: str, found: tuple[Missing, str] | None) -> None:
    assert remedy(said + TEST_FAILED) == (Remedy(*found) if found else None)


MODULE = "/m/ngx_http_perl_module.so"
ANEW = f"install {MODULE.rpartition('/')[2]} and nginx anew on this machine, of one version, and try again"

LACKING = (
    "it loads the nginx module ngx_http_perl_module.so (/x:1), which this machine does not have; "
    "install it here (on Debian: apt-get install libnginx-mod-http-perl) and try again"
)


def test_nginxs_own_words() -> None:
    assert (
        complaint(f"nginx: [emerg] no port in upstream in /x:1{TEST_FAILED}") == "no port in upstream in /x:1"
    )
    assert complaint("") == "nginx said nothing"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (f'dlopen() "{MODULE}" failed ({MODULE}: it: No such file or directory) in /x:1', LACKING),
        (f'dlopen() "{MODULE}" failed ({MODULE}: file too short) in /x:1', f"too short) in /x:1; {ANEW}"),
        (f'module "{MODULE}" version 1018000 instead of 1022001 in /x:1', f"1022001 in /x:1; {ANEW}"),
        (f'module "{MODULE}" is not binary compatible in /x:1', f"not binary compatible in /x:1; {ANEW}"),
        ('unknown directive "brotli" in /x:1', "needs the modules that production's has"),
    ],
    ids=["none", "broken", "older", "another", "compiled in"],
)  # fmt: skip
def test_a_module_that_production_has(said: str, told: str) -> None:
    assert complaint(f"nginx: [emerg] {said}{TEST_FAILED}").endswith(told)
