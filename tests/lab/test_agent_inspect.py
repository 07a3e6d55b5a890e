"""What a host tells whoever watches it: validity, writers, counts of logs, certificates. It only looks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer.host.reply import VerbAnswer
from deployer.lab.fleet import Lab
from deployer.lab.host import LabHost
from tests.lab.agent_sh import (
    SHELLS,
    STATE,
    AgentOn,
    get,
    listing,
    release_of,
    reload,
    script,
    site,
    wait_for,
)

pytestmark = pytest.mark.lab

ACCESS = '10.0.0.1 - - [12/Jun/2024:14:15:00 +0000] "GET / HTTP/1.1" {status} 12 "-" "curl \\" 503 1 \\""\n'
ERROR = "2024/06/12 14:15:00 [{level}] 7#7: *1 open() failed\n"


@pytest.fixture(scope="module", params=range(len(SHELLS)), ids=lambda at: " ".join(SHELLS[at]))
def deployed(request: pytest.FixtureRequest, lab: Lab) -> AgentOn:
    """For each shell a host, on which a release of ours is live."""
    host = lab.hosts[request.param]
    host.reset()
    made = AgentOn(host, shell=SHELLS[request.param])
    baseline = made.adopted()
    made.deployed(baseline, release_of(made.manifest(baseline), {"conf.d/one.conf": site(9181)}))
    made.ok("release")
    host.run(["sh", "-ec", f"cp -a {STATE}/live/ /root/live; cp -a /etc/hosts /root/hosts"])
    return made


@pytest.fixture
def agent(deployed: AgentOn) -> Iterator[AgentOn]:
    """The same, put back afterwards."""
    yield deployed
    script(
        deployed.host,
        "find . -mindepth 1 -delete; cp -a /root/live/. .; cat /root/hosts >/etc/hosts",
        "rm -rf /var/log/nginx/*; nginx -s reopen",
    )
    log = deployed.host.path("/var/log/nginx/access.log")
    wait_for(log.exists, "logs are opened anew")


def inspect(agent: AgentOn, *verbs: str, **header: Any) -> VerbAnswer:
    return agent.ok(*verbs, "inspect", own=False, **header)


def counts(answer: VerbAnswer) -> dict[str, int]:
    return {
        kind: int(number) for line in answer.all("count") for number, kind in [line.strip().split(" ", 1)]
    }


def offsets(answer: VerbAnswer) -> list[str]:
    found = list(answer.all("log"))
    assert len(found) == 2, found  # access.log and error.log, once each, and no identity
    return found


def test_it_changes_nothing_and_takes_no_lock(agent: AgentOn) -> None:
    host = agent.host
    before = listing(host, "/var/lib/deployer"), listing(host, "/etc/nginx/"), listing(host, "/var/log/nginx")
    # Somebody holds the lock for as long as this lasts: a deployment, or an emergency.
    (lock,) = host.run(["find", "/var/lib/deployer/instance", "-name", "lock"]).stdout.split()
    held = host.run(["sh", "-c", f"flock {lock} sleep 60 >/dev/null 2>&1 & echo $!"]).stdout.strip()
    try:
        answer = inspect(agent, "observe", validity="yes", logs="yes", certificates="yes")
    finally:
        host.run(["pkill", "-P", held], check=False)
        host.run(["kill", held], check=False)
    assert answer.one("valid") == "yes", answer
    assert not answer.all("invalid")
    after = listing(host, "/var/lib/deployer"), listing(host, "/etc/nginx/"), listing(host, "/var/log/nginx")
    assert after == before


def test_a_name_that_does_not_resolve_any_more_is_found(agent: AgentOn) -> None:
    host = agent.host
    host.path("/etc/hosts", follow=True).open("a").write("192.0.2.7 backend.test\n")
    script(host, "echo 'upstream u { server backend.test; }' >conf.d/u.conf")
    reload(host)
    assert inspect(agent, validity="yes").one("valid") == "yes"
    host.write("/etc/hosts", host.read("/etc/hosts").replace("backend.test", "gone.test"))
    answer = inspect(agent, validity="yes")
    assert answer.one("valid") == "no"
    assert "host not found in upstream" in " ".join(answer.all("invalid"))
    assert get(host, 9181) == "one", "it still serves"


def test_who_wrote_what_drifted_is_told_as_far_as_it_is_known(agent: AgentOn) -> None:
    host = agent.host
    script(
        host,
        "echo '# by hand' >conf.d/by-hand.conf",
        "chown www-data conf.d/by-hand.conf",
        "touch -d @1718200000 conf.d/by-hand.conf",
        "rm mime.types",
    )
    answer = inspect(agent, "observe")
    told = [line.split(" ", 2) for line in answer.all("wrote")]
    assert ["1718200000", "www-data", "/etc/nginx/conf.d/by-hand.conf"] in told
    assert "/etc/nginx" in [path for _, _, path in told], "a file that is gone is told by its directory"
    assert inspect(agent).all("wrote") == (), "only what observe found"


def test_only_what_was_written_since_is_counted(agent: AgentOn) -> None:
    host = agent.host
    host.write("/var/log/nginx/access.log", ACCESS.format(status=200) * 3)
    first = inspect(agent, logs="yes")
    assert counts(first) == {}, "counting begins now"
    with host.path("/var/log/nginx/access.log").open("a") as log:
        log.write(
            ACCESS.format(status=200) * 2
            + ACCESS.format(status=503)
            + '{"status":502,"x":"\\"status\\":200,"}\n'
        )
        log.write('"shop" "GET / HTTP/1.1" 404 7 "-"\n' + "what is this 503\n")
    with host.path("/var/log/nginx/error.log").open("a") as log:
        log.write(ERROR.format(level="error") * 4 + ERROR.format(level="emerg"))
    second = inspect(agent, logs="yes", offset=offsets(first))
    assert counts(second) == {
        "status 2": 2, "status 5": 2, "status 4": 1, "other": 1, "level error": 4, "level emerg": 1,
    }  # fmt: skip
    assert counts(inspect(agent, logs="yes", offset=offsets(second))) == {}
    assert counts(inspect(agent, logs="yes", window="150"))["level emerg"] == 1


def test_logs_that_are_rotated_and_truncated_are_followed(agent: AgentOn) -> None:
    host = agent.host
    known = offsets(inspect(agent, logs="yes"))
    with host.path("/var/log/nginx/access.log").open("a") as log:
        log.write(ACCESS.format(status=500) * 5)
    host.run(["mv", "/var/log/nginx/access.log", "/var/log/nginx/access.log.1"])
    # Renamed, and still written to.
    between = inspect(agent, logs="yes", offset=known)
    assert counts(between) == {"status 5": 5}
    with host.path("/var/log/nginx/access.log.1").open("a") as log:
        log.write(ACCESS.format(status=500) * 7)
    host.nginx("-s", "reopen")
    wait_for(lambda: host.path("/var/log/nginx/access.log").exists(), "a new log")
    with host.path("/var/log/nginx/access.log").open("a") as log:
        log.write(ACCESS.format(status=200) * 2)
    after = inspect(agent, logs="yes", offset=offsets(between))
    assert counts(after) == {"status 5": 7, "status 2": 2}
    host.run(["truncate", "-s", "0", "/var/log/nginx/access.log"])
    with host.path("/var/log/nginx/access.log").open("a") as log:
        log.write(ACCESS.format(status=301))
    assert counts(inspect(agent, logs="yes", offset=offsets(after))) == {"status 3": 1}


def test_of_a_flood_only_the_newest_is_read(agent: AgentOn) -> None:
    host = agent.host
    known = offsets(inspect(agent, logs="yes"))
    line = ACCESS.format(status=200)
    host.write("/var/log/nginx/access.log", line * (5_000_000 // len(line)))
    answer = inspect(agent, logs="yes", offset=known)
    assert 0 < counts(answer)["status 2"] <= 2_097_152 / len(line)
    assert int(answer.one("log_skipped")) > 2_000_000


def test_certificates_are_told_once_and_keys_never(agent: AgentOn, tmp_path: Path) -> None:
    host = agent.host
    pem = make_certificate(tmp_path, days=3)
    host.write("/etc/nginx/both.pem", pem)
    host.write(
        "/etc/nginx/conf.d/tls.conf",
        "server { listen 9443 ssl; ssl_certificate both.pem; ssl_certificate_key both.pem;\n"
        "# ssl_certificate nowhere.pem;\n"
        "ssl_certificate_key /etc/nginx/both.pem; }\n",
    )
    answer = inspect(agent, certificates="yes")
    ((key, path),) = [line.split(" ", 1) for line in answer.all("certificate")]
    assert path == "/etc/nginx/both.pem"
    ((same, blob),) = [line.split(" ", 1) for line in answer.all("pem")]
    assert same == key
    body = pem[pem.index("CERTIFICATE-----\n") + len("CERTIFICATE-----\n") : pem.index("-----END CERT")]
    assert blob == body.replace("\n", "")
    again = inspect(agent, certificates="yes", known=key)
    assert (len(again.all("certificate")), again.all("pem")) == (1, ())
    # Replaced within the second, and as long as it was.
    script(agent.host, "touch -d @1700000000.25 /etc/nginx/both.pem")
    quarter = inspect(agent, certificates="yes").one("certificate").split()[0]
    script(agent.host, "touch -d @1700000000.75 /etc/nginx/both.pem")
    assert inspect(agent, certificates="yes", known=quarter).all("pem")


def test_no_path_of_the_host_is_run_or_read_for_what_it_is_not(agent: AgentOn) -> None:
    host = agent.host
    script(
        host,
        "echo 'ssl_certificate /etc/shadow;' >conf.d/w; echo 'ssl_certificate ../../etc/passwd;' >conf.d/v",
        "echo 'ssl_certificate $(touch${IFS}/pwned);' >conf.d/x",
        "mkfifo pipe.pem; echo 'ssl_certificate pipe.pem;' >conf.d/y",
        "echo x >'conf.d/$(touch pwned)'; echo x >\"conf.d/\x1b[2J\"; echo x >'conf.d/-rf *'",
    )
    rotated = inspect(agent, logs="yes")
    host.run(["mv", "/var/log/nginx/access.log", "/var/log/nginx/x y;touch pwned"])
    host.nginx("-s", "reopen")
    answer = inspect(agent, "observe", logs="yes", certificates="yes", offset=offsets(rotated))
    said = repr(answer.fields)
    assert "root:" not in said
    assert "\\x1b" not in said
    assert all(blob.split(" ", 1)[1] == "" for blob in answer.all("pem"))
    for place in (
        "/pwned",
        "/etc/nginx/pwned",
        f"{STATE}/pwned",
        "/var/log/nginx/pwned",
        "/etc/nginx/conf.d/pwned",
    ):
        assert host.run(["ls", place], check=False).returncode != 0


def test_nonsense_is_refused(agent: AgentOn) -> None:
    for bad in ("1", "a:b", "1:2:3", ":", "1:-1", "../x:1"):
        agent.refused(64, "inspect", own=False, offset=bad)


def test_a_host_that_was_never_adopted_is_not_tested(host: LabHost) -> None:
    answer = inspect(AgentOn(host), "observe", validity="yes", logs="yes")
    assert not answer.all("valid")
    assert len(answer.all("log")) == 2
    assert host.run(["ls", "/var/lib/deployer"], check=False).returncode != 0


def make_certificate(directory: Path, *, days: int, name: str = "shop.example.com") -> str:
    """A key and a certificate that ends soon, in one file."""
    key, certificate = directory / "key.pem", directory / "cert.pem"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days)]
    whose = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    argv = ["openssl", "req", *kind, *whose, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    return key.read_text() + certificate.read_text()


def test_paths_are_those_that_users_asked_for(agent: AgentOn) -> None:
    line = '{before}10.0.0.1 - - [12/Jun/2024:14:15:00 +0000] "{asked} HTTP/1.1" {status} 12 "-" "{agent}"\n'

    def said(asked: str, *, before: str = "", status: int = 200, by: str = "Mozilla/5.0") -> str:
        return line.format(before=before, asked=asked, status=status, agent=by)

    agent.host.write(
        "/var/log/nginx/access.log",
        said("GET /often?token=1") * 3
        + said("HEAD /once")
        + said("GET /named", before="shop.example.com:443 ")
        + said("POST /sent")
        + said("GET /lost", status=404)
        + said("GET /reset/aaaaaaaaaabbbbbbbbbbcc")
        + said("GET /asked-by-a-rehearsal", by="deployer-check") * 9,
    )
    log = "/var/log/nginx/access.log"
    told = agent.ok("paths", lines="10").all("path")
    assert set(told) == {f"{log} - /often", f"{log} - /once", f"{log} shop.example.com /named"}
    assert told[0] == f"{log} - /often"


def test_names_are_read_behind_the_address_and_our_own_questions_known_by_it(agent: AgentOn) -> None:
    """A log that does not say which program asked."""

    def said(client: str, asked: str) -> str:
        return f'{client} "GET {asked} HTTP/2.0" 200 12 0.001 "-" up=127.0.0.1:9001\n'

    log = "/var/log/nginx/access.log"
    users = said("10.0.0.1 shop.example.com", "/mug.jpg") + said("2001:db8::1 - blog.example.com", "/post")
    users += said("10.0.0.1 - john.doe [12/Jun/2024:14:15:00 +0000]", "/nameless")
    ours = said("127.0.0.1 shop.example.com", "/probe") + said("::1 -", "/probe")
    ours += said("shop.example.com 127.0.0.1", "/probe")
    agent.host.write(log, ours * 9 + users)
    told = agent.ok("paths", lines="10").all("path")
    expected = ("shop.example.com /mug.jpg", "blog.example.com /post", "- /nameless")
    assert set(told) == {f"{log} {path}" for path in expected}
    # Behind a proxy on the same machine everybody comes from there.
    agent.host.write(log, ours)
    assert {line.split()[-1] for line in agent.ok("paths", lines="10").all("path")} == {"/probe"}


def test_paths_of_a_log_in_json_are_told_as_well(agent: AgentOn) -> None:
    def said(uri: str, *, method: str = "GET", status: str = "200", **more: str) -> str:
        fields = {"at": "12:00", "method": method, "up_status": "200", "status": "@", "uri": uri, **more}
        return json.dumps(fields, separators=(",", ":")).replace('"@"', status) + "\n"

    agent.host.write(
        "/var/log/nginx/access.log",
        said("/often", host="shop.example.com:443") * 3
        + said("/quoted", status='"204"')
        + said("/whole?token=1", referer="/from")
        + said("/sent", method="POST")
        + said("/lost", status="404")
        + said("/ours", agent="deployer-check")
        + json.dumps({"status": 200, "request": "GET /line?token=1 HTTP/1.1", "server_name": "_"})
        + "\n",
    )
    log = "/var/log/nginx/access.log"
    told = agent.ok("paths", lines="10").all("path")
    expected = {"shop.example.com /often", "- /quoted", "- /whole", "- /line"}
    assert set(told) == {f"{log} {path}" for path in expected}
    assert told[0] == f"{log} shop.example.com /often"


def test_what_is_there_is_told_by_whoever_may_see_them(agent: AgentOn) -> None:
    script(
        agent.host,
        "mkdir -m 0700 /run/closed; cd /run/closed; touch file;"
        " exec python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"here.sock\")'",
    )
    asked = ["/run/closed/here.sock", "/run/closed/gone.sock", "/run/closed/file", "/run/closed"]
    told = agent.ok("there", place=asked).all("there")
    kinds = ("socket", "nothing", "file", "directory")
    assert told == tuple(f"{kind} {path}" for kind, path in zip(kinds, asked, strict=True))
    for odd in ("relative", "/run/../etc", "/run/*"):
        agent.refused(64, "there", place=odd)


def test_files_are_those_that_anybody_may_have(agent: AgentOn) -> None:
    """One of each kind and directory; nothing hidden, nothing that is run, no secret's name."""
    script(
        agent.host,
        "mkdir -p /srv/a/css/deep /srv/a/.git /srv/b; cd /srv/a; touch index.html other.html logo.svg"
        " css/one.css css/two.css css/deep/three.css .env .git/config.txt backup.sql a.php 'with blank.txt'"
        " paid-aaaaaaaaaabbbbbbbbbbcc.pdf; truncate -s 5M large.mp4; ln -s /etc/passwd linked.txt",
    )
    told = agent.ok("files", place=["/srv/a", "/srv/b", "/srv/none"], lines="10").all("file")
    expected = ("css/deep/three.css", "css/one.css", "index.html", "logo.svg")
    assert sorted(told) == [f"/srv/a {path}" for path in expected]
    assert len(agent.ok("files", place="/srv/a", lines="2").all("file")) == 2
    for odd in ("relative", "/srv/../etc", "/srv/*"):
        agent.refused(64, "files", place=odd)
