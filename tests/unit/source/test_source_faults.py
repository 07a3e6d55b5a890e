"""Mirrors under time limits, company, kill -9 and damage; transports; what wants to run in a repository."""

from __future__ import annotations

import base64
import functools
import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from deployer.errors import SourceUnavailable
from deployer.source.git import Mirror
from deployer.source.lock import file_lock
from tests.unit.source.conftest import Repo, Source

pytestmark = pytest.mark.slow

RESOLVE = """
import sys
from pathlib import Path
from deployer.source.git import Mirror
print(Mirror(sys.argv[1], Path(sys.argv[2]), timeout_s=float(sys.argv[3])).resolve("main").sha)
"""

HALF = """
import os
left = 1_300_000
while left > 0 and (data := os.read(0, 65536)):
    os.write(1, data)
    left -= len(data)
"""


def start_resolve(url: str, cache: Path, timeout_s: float = 60) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RESOLVE, url, str(cache), str(timeout_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(what: Callable[[], bool], *, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def fake_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a script where git looks for ssh; its last argument is the command for the other side."""

    def make(body: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        script = folder / "ssh"
        script.write_text(f'#!/bin/sh\nfor last; do :; done\necho "$@" >>"{tmp_path}/ssh.log"\n{body}\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        monkeypatch.delenv("GIT_SSH_COMMAND", raising=False)
        return tmp_path / "ssh.log"

    return make


def test_ssh_never_asks(repo: Repo, cache: Path, fake_ssh: Callable[[str], Path]) -> None:
    sha = repo.commit({"f": "1"})
    log = fake_ssh('eval "exec $last"')
    assert Mirror(f"ssh://git@git.example.com{repo.path}", cache).resolve("main").sha == sha
    assert "BatchMode=yes" in log.read_text()
    assert Mirror(f"git@git.example.com:{repo.path}", cache).resolve("main").sha == sha


def test_an_ssh_command_of_the_user_is_kept(
    repo: Repo, cache: Path, fake_ssh: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit({"f": "1"})
    log = fake_ssh('eval "exec $last"')
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -i key")
    Mirror(f"ssh://git.example.com{repo.path}", cache).resolve("main")
    assert "-i key" in log.read_text()
    assert "BatchMode" not in log.read_text()


def test_what_ssh_says_is_passed_on(cache: Path, fake_ssh: Callable[[str], Path]) -> None:
    fake_ssh('echo "git@git.example.com: Permission denied (publickey)." >&2; exit 255')
    with pytest.raises(SourceUnavailable, match=r"Permission denied \(publickey\).*check the key"):
        Mirror("git@git.example.com:x", cache).resolve("main")


def test_a_hanging_transport_is_ended_with_its_children(
    cache: Path, tmp_path: Path, fake_ssh: Callable[[str], Path]
) -> None:
    fake_ssh(f'sleep 300 & echo $! >"{tmp_path}/child"; echo $$ >"{tmp_path}/pid"; wait')
    begun = time.monotonic()
    with pytest.raises(SourceUnavailable, match=r"fetching git@git\.example\.com:x took longer than 1 s"):
        Mirror("git@git.example.com:x", cache, timeout_s=1).resolve("main")
    assert time.monotonic() - begun < 10
    for name in ("pid", "child"):
        pid = int((tmp_path / name).read_text())
        wait_for(lambda pid=pid: not alive(pid))  # type: ignore[misc]


def test_two_processes_share_a_new_mirror(repo: Repo, cache: Path) -> None:
    sha = repo.commit({f"f{n}": os.urandom(2000) for n in range(300)})
    started = [start_resolve(str(repo.path), cache) for _ in range(4)]
    answers = [process.communicate(timeout=60) for process in started]
    assert [out.strip() for out, _ in answers] == [sha] * 4, answers


def test_threads_share_a_mirror_while_the_branch_moves(repo: Repo, mirror: Mirror) -> None:
    known = [repo.commit({"f": "0"})]
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(mirror.resolve, "main") for _ in range(6)]
        known += [repo.commit({"f": str(n)}) for n in range(1, 4)]
        found += [pool.submit(mirror.resolve, "main") for _ in range(6)]
    assert {each.result().sha for each in found} <= set(known)
    assert mirror.resolve("main").sha == known[-1]


def test_who_holds_the_lock_is_said(repo: Repo, cache: Path) -> None:
    repo.commit({"f": "1"})
    mirror = Mirror(str(repo.path), cache, timeout_s=0.2)
    cache.mkdir()
    with (
        file_lock(cache / f"{mirror.directory.stem}.lock", timeout_s=1, what="x"),
        pytest.raises(SourceUnavailable, match=rf"in use by process {os.getpid()} since .*within 0\.2 s"),
    ):
        mirror.resolve("main")
    assert Mirror(str(repo.path), cache).resolve("main")


@pytest.mark.slow
@pytest.mark.parametrize("mirror_exists", [False, True])
def test_killed_in_the_middle_of_a_fetch(
    repo: Repo, cache: Path, tmp_path: Path, fake_ssh: Callable[[str], Path], *, mirror_exists: bool
) -> None:
    url = f"ssh://git.example.com{repo.path}"
    repo.commit({"f": "1"})
    if mirror_exists:
        fake_ssh('eval "exec $last"')
        Mirror(url, cache).resolve("main")
    sha = repo.commit({f"big{n}": os.urandom(30_000) for n in range(150)})
    # Half of the pack arrives, then the line is dead. (A dd counts reads, which may bring next to nothing.)
    half = tmp_path / "half.py"
    half.write_text(HALF)
    said = f'echo $$ >"{tmp_path}/pid"; mv "{tmp_path}/pid" "{tmp_path}/stalled"'
    fake_ssh(f'eval "$last" | {{ {sys.executable} {half}; {said}; exec sleep 300; }}')
    victim = start_resolve(url, cache, timeout_s=6)  # so long a slow machine finds it in the middle
    wait_for((tmp_path / "stalled").exists)
    wait_for(lambda: bool(list(cache.glob("*/objects/pack/tmp_*"))))
    victim.kill()
    victim.communicate(timeout=30)
    fake_ssh('eval "exec $last"')
    # The orphaned git still has the lock; it ends itself soon after its own time limit.
    assert Mirror(url, cache, timeout_s=30).resolve("main").sha == sha
    assert not list(cache.glob("*/objects/pack/tmp_*"))
    assert [path.name for path in cache.glob("*.new")] == []
    wait_for(lambda: not alive(int((tmp_path / "stalled").read_text())))


def test_stale_lock_files_are_swept(repo: Repo, mirror: Mirror) -> None:
    repo.commit({"f": "1"})
    mirror.resolve("main")
    for name in ("packed-refs.lock", "refs/heads/main.lock", "config.lock", "shallow.lock", "HEAD.lock"):
        (mirror.directory / name).write_text("")
    sha = repo.commit({"f": "2"})
    repo.git("branch", "-m", "other")
    assert mirror.resolve("other").sha == sha


def _cut_ref(directory: Path) -> None:
    (directory / "refs/heads/main").write_text("")


def _wrong_ref(directory: Path) -> None:
    (directory / "refs/heads/main").write_text("1" * 40 + "\n")


def _no_head(directory: Path) -> None:
    (directory / "HEAD").unlink()


def _cut_objects(directory: Path) -> None:
    for path in (directory / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"")


def _no_objects(directory: Path) -> None:
    for path in (directory / "objects").rglob("*"):
        if path.is_file():
            path.unlink()


def _garbled_config(directory: Path) -> None:
    (directory / "config").write_text("[core\n")


@pytest.mark.parametrize(
    "damage", [_cut_ref, _wrong_ref, _no_head, _cut_objects, _no_objects, _garbled_config]
)
@pytest.mark.parametrize("asked", ["the same branch", "a branch that moved", "a commit id"])
def test_a_damaged_mirror_is_made_anew(source: Source, damage: Callable[[Path], None], asked: str) -> None:
    sha = source.repo.commit({"f": "1"})
    source.mirror.resolve("main")
    damage(source.mirror.directory)
    if asked == "a branch that moved":
        sha = source.repo.commit({"f": "2"})
    release = source.release(ref=sha if asked == "a commit id" else "main")
    assert release.commit == sha
    content = release.read(release.manifest.entries[0].content)
    assert content == (b"2" if asked == "a branch that moved" else b"1")


def test_a_missing_blob_is_fetched_again(source: Source) -> None:
    source.repo.commit({"f": "1", "g": "2"})
    commit = source.mirror.resolve("main")
    oid = source.repo.git("rev-parse", "main:g")
    (source.mirror.directory / "objects" / oid[:2] / oid[2:]).unlink()
    release = source.release(ref=commit.sha)
    assert [release.read(entry.content) for entry in release.manifest.entries] == [b"1", b"2"]


def test_nothing_in_a_repository_is_ever_run(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hooks of repo and template directory, filters, textconv, fsmonitor: each would write a file."""
    mark = tmp_path / "ran"
    hooks = source.repo.path / ".git/hooks"
    template = tmp_path / "template/hooks"
    for folder in (hooks, template):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("post-checkout", "post-merge", "reference-transaction", "pre-auto-gc", "post-update"):
            (folder / name).write_text(f'#!/bin/sh\necho "$0" >>"{mark}"\n')
    source.repo.commit({".gitattributes": "* filter=evil diff=evil\n", "f": "content"})
    for folder in (hooks, template):
        for hook in folder.iterdir():
            hook.chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(
        f"[init]\ntemplateDir = {template.parent}\n"
        f'[filter "evil"]\nsmudge = touch {mark}\nclean = touch {mark}\n'
        f'process = touch {mark}\nrequired = true\n[diff "evil"]\ntextconv = touch {mark} #\n'
        f"[core]\nfsmonitor = touch {mark}\npager = touch {mark}\n[safe]\ndirectory = *\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    for number in range(2):
        release = source.release()
        assert release.read(release.manifest.by_path["f"].content) == b"content"
        assert not (source.mirror.directory / "hooks").exists()
        source.repo.git("-c", "core.hooksPath=/dev/null", "update-ref", f"refs/heads/b{number}", "main")
    source.mirror.rebuild()
    shutil.copytree(hooks, source.mirror.directory / "hooks")
    source.mirror.fetch()
    source.repo.git("-c", "core.hooksPath=/dev/null", "update-ref", "refs/heads/b3", "main")
    source.mirror.fetch()
    assert not mark.exists(), mark.read_text()


class _Guarded(http.server.SimpleHTTPRequestHandler):
    """Serves files to who knows the password."""

    def do_GET(self) -> None:
        wanted = "Basic " + base64.b64encode(b"bob:p@ss word").decode()
        if self.headers.get("Authorization") == wanted:
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(repo: Repo) -> Iterator[str]:
    handler = functools.partial(_Guarded, directory=str(repo.path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}/.git"
        server.shutdown()


def test_http_with_a_password_that_no_argv_holds(
    repo: Repo, cache: Path, web: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = repo.commit({"f": "1"})
    repo.git("update-server-info")
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))  # git writes the argv of each child there
    mirror = Mirror(f"http://bob:p%40ss%20word@{web}", cache)
    assert mirror.resolve("main").sha == sha
    trace = (tmp_path / "trace").read_text()
    assert "fetch" in trace
    for written in (trace, *(p.read_bytes().decode("latin-1") for p in cache.rglob("*") if p.is_file())):
        assert "p@ss" not in written
        assert "p%40ss" not in written


def test_a_wrong_or_missing_password_is_a_sentence_without_it(repo: Repo, cache: Path, web: str) -> None:
    repo.commit({"f": "1"})
    with pytest.raises(SourceUnavailable, match="check the credentials") as wrong:
        Mirror(f"http://bob:hunter2@{web}", cache).resolve("main")
    assert "hunter2" not in str(wrong.value)
    with pytest.raises(SourceUnavailable, match="credential helper"):
        Mirror(f"http://{web}", cache).resolve("main")


def test_an_interrupt_leaves_no_git_behind(
    cache: Path, tmp_path: Path, fake_ssh: Callable[[str], Path]
) -> None:
    fake_ssh(f'echo $$ >"{tmp_path}/pid.new"; mv "{tmp_path}/pid.new" "{tmp_path}/pid"; exec sleep 300')
    process = start_resolve("git@git.example.com:x", cache)
    wait_for((tmp_path / "pid").exists)
    for _ in range(10):  # Python drops one that comes while something is collected: then people press again
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=3)
            break
    assert process.returncode is not None
    wait_for(lambda: not alive(int((tmp_path / "pid").read_text())))


@pytest.mark.skipif(os.geteuid() != 0, reason="sshd wants root")
def test_a_real_sshd_with_strict_host_keys(repo: Repo, cache: Path, tmp_path: Path) -> None:
    """Through ``sshd -i``: no port, no daemon."""
    sha = repo.commit({"f": "1"})
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    (tmp_path / "sshd_config").write_text(
        f"HostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/user.pub\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin yes\nLogLevel QUIET\n"
    )
    known = tmp_path / "known_hosts"
    known.write_text(f"git.example.com {(tmp_path / 'host.pub').read_text()}")
    (tmp_path / "ssh_config").write_text(
        f"Host *\n  ProxyCommand /usr/sbin/sshd -i -f {tmp_path}/sshd_config\n"
        f"  IdentityFile {tmp_path}/user\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {known}\n  GlobalKnownHostsFile /dev/null\n"
    )
    config = tmp_path / "gitconfig"
    config.write_text(f'[core]\n\tsshCommand = "ssh -F {tmp_path}/ssh_config"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", str(config))
        patch.delenv("GIT_SSH_COMMAND", raising=False)
        assert Mirror(f"root@git.example.com:{repo.path}", cache).resolve("main").sha == sha
        known.write_text("")
        with pytest.raises(SourceUnavailable, match=r"Host key verification failed.*check the key"):
            Mirror(f"root@git.example.com:{repo.path}", cache).resolve("main")
