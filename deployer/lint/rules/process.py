"""The process itself: what nginx runs as, loads and writes."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from deployer.lint.rules.base import ERROR, WARNING, Hit, Theme
from deployer.lint.rules.subject import Subject
from deployer.nginx.tree import Directive

theme = Theme("The process")

_MODULES: tuple[str, ...] = (
    "modules/",
    "/usr/lib/nginx/modules/",
    "/usr/lib64/nginx/modules/",
    "/etc/nginx/modules/",
)
_MODULES += ("/usr/share/nginx/modules/", "/usr/local/nginx/modules/", "/usr/local/openresty/")


def _main(subject: Subject, *names: str) -> Iterator[Directive]:
    return (d for d, around in subject.config.find(*names) if not around)


@theme.rule(
    "user-root",
    WARNING,
    "Workers run as root",
    why="Whoever breaks into a worker owns the host, and every file is readable for root's sites.",
    fix="user www-data; (or the user of the package)",
    bad="user root;\nevents {}\nhttp { server { listen 8080; } }",
    good="user www-data;\nevents {}\nhttp { server { listen 8080; } }",
    context="main",
)
def user_root(subject: Subject) -> Iterator[Hit]:
    """``user root``."""
    return (Hit(d, "workers keep root's rights") for d in _main(subject, "user") if d.args[:1] == ("root",))


@theme.rule(
    "module-from-elsewhere",
    WARNING,
    "A module from an unusual place",
    why="A module is a program that runs as root when nginx starts: whoever may write that file "
    "owns the host.",
    fix="Load modules from the directory of the packages.",
    bad="load_module /tmp/ngx_http_echo_module.so;\nevents {}\nhttp { server { listen 8080; } }",
    good="events {}\nhttp { server { listen 8080; } }",
    context="main",
    refused=True,
)
def module_from_elsewhere(subject: Subject) -> Iterator[Hit]:
    """Outside of where packages put them."""
    for directive in _main(subject, "load_module"):
        path = posixpath.normpath(directive.args[0]) if directive.args else ""
        if path and not path.startswith(_MODULES):
            yield Hit(directive, f"{path} is not where packages put modules")


@theme.rule(
    "working-directory",
    WARNING,
    "Workers change to another directory",
    why="A directory that they may not enter kills every worker at once; nginx's own test does not see it.",
    fix="Leave it out; it is only for core dumps.",
    bad="working_directory /root;\nevents {}\nhttp { server { listen 8080; } }",
    good="events {}\nhttp { server { listen 8080; } }",
    context="main",
)
def working_directory(subject: Subject) -> Iterator[Hit]:
    """Any."""
    return (
        Hit(d, f"{' '.join(d.args)} has to be open to the workers' user")
        for d in _main(subject, "working_directory")
    )


@theme.rule(
    "pid-elsewhere",
    WARNING,
    "The pid file is in an unusual place",
    why="systemd and 'nginx -s reload' look for it elsewhere: a reload says it worked, and the "
    "old configuration stays.",
    fix="Use the package's path (pid /run/nginx.pid;), or change the service too.",
    bad="pid /tmp/nginx.pid;\nevents {}\nhttp { server { listen 8080; } }",
    good="events {}\nhttp { server { listen 8080; } }",
    context="main",
)
def pid_elsewhere(subject: Subject) -> Iterator[Hit]:
    """Not directly under ``/run``, ``/var/run`` or ``logs/``."""
    for directive in _main(subject, "pid"):
        path = directive.args[0] if directive.args else ""
        if not path.startswith(("/run/", "/var/run/", "logs/", "run/")):
            yield Hit(directive, f"{path} is where no service looks for it")


@theme.rule(
    "not-a-daemon",
    WARNING,
    "nginx stays in the foreground, or without a master",
    why="A service of the package waits for it in vain; without a master nothing can be reloaded.",
    fix="Leave 'daemon' and 'master_process' to the command line of the service.",
    bad="daemon off;\nevents {}\nhttp { server { listen 8080; } }",
    good="events {}\nhttp { server { listen 8080; } }",
    context="main",
)
def not_a_daemon(subject: Subject) -> Iterator[Hit]:
    """``daemon off`` or ``master_process off``. The second is an error."""
    for directive in _main(subject, "daemon", "master_process"):
        if directive.args == ("off",):
            yield Hit(
                directive, f"{directive.name} is off", ERROR if directive.name == "master_process" else None
            )


@theme.rule(
    "error-log-off",
    WARNING,
    "The error log is a file called off",
    why="error_log knows no 'off': nginx writes to a file of that name, and nobody finds it.",
    fix="error_log /dev/null crit; or better a real file.",
    bad="error_log off;",
    good="error_log /var/log/nginx/shop.log;",
    context="server",
)
def error_log_off(subject: Subject) -> Iterator[Hit]:
    """``error_log off``."""
    return (
        Hit(d, "it is written to a file called off")
        for d, _ in subject.config.find("error_log")
        if d.args[:1] == ("off",)
    )


@theme.rule(
    "cache-paths-overlap",
    WARNING,
    "One cache lies inside another",
    why="Each manager deletes what it does not know: pages vanish from the inner cache, or are "
    "counted twice.",
    fix="Give each cache a directory of its own.",
    bad="proxy_cache_path /var/cache/nginx keys_zone=a:1m;\nproxy_cache_path /var/cache/nginx/b "
    "keys_zone=b:1m;",
    good="proxy_cache_path /var/cache/nginx/a keys_zone=a:1m;\nproxy_cache_path "
    "/var/cache/nginx/b keys_zone=b:1m;\n"
    "server { listen 8080; }",
)
def caches_overlap(subject: Subject) -> Iterator[Hit]:
    """The path of one begins with that of another."""
    names = ("proxy_cache_path", "fastcgi_cache_path", "uwsgi_cache_path", "scgi_cache_path")
    paths = [(posixpath.normpath(d.args[0]), d) for d, _ in subject.config.find(*names) if d.args]
    for path, directive in paths:
        outer = next(
            (o for o, d in paths if d is not directive and path.startswith(o.rstrip("/") + "/")), None
        )
        if outer is not None:
            yield Hit(directive, f"{path} is inside of {outer}")


@theme.rule(
    "path-of-root",
    ERROR,
    "Workers are to write where only root may go",
    why="Nobody but root may enter /root: larger uploads are answered with 500, nothing is cached. nginx's "
    "own test runs as root and does not see it.",
    fix="Use a directory below /var/lib/nginx or /var/cache/nginx.",
    bad="client_body_temp_path /root/uploads;\nserver { listen 8080; }",
    good="client_body_temp_path /var/lib/nginx/uploads;\nserver { listen 8080; }",
)
def path_of_root(subject: Subject) -> Iterator[Hit]:
    """Temporary files and caches below ``/root``, unless workers run as root."""
    if any(d.args[:1] == ("root",) for d in _main(subject, "user")):
        return
    kinds = ("proxy", "fastcgi", "uwsgi", "scgi")
    names = [f"{kind}_{what}_path" for kind in kinds for what in ("temp", "cache")]
    for directive, _ in subject.config.find("client_body_temp_path", *names):
        path = posixpath.normpath(directive.args[0]) if directive.args else ""
        if path.startswith("/root/"):
            yield Hit(directive, f"{path} is closed to the workers")
