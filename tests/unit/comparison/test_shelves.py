"""Files that lie where live hands files out are asked for by their own names."""

from __future__ import annotations

import pytest

from deployer.comparison.shelves import MOST, lying, shelves

from .configured import sites

MEDIA = """
server { listen 80; server_name media.example.com; root /srv/media;
  location / { try_files $uri =404; }
  location ~* \\.(jpg|png)$ { expires 1d; }
  location /video/ { proxy_pass http://10.0.0.1; }
  location /raw/ { root /mnt/photos; }
  location /downloads/ { alias /srv/downloads/; }
  location /_vault/ { internal; alias /srv/vault/; }
  location ^~ /closed/ { return 404; }
  location = /one.txt { root /srv/one; }
  location /mine/ { alias /srv/homes/$who/; }
}
server { listen 80; server_name ~^(?<who>[a-z]+)\\.example\\.com$; root /srv/people/$who; }
"""


def test_directories_are_those_that_are_written_down() -> None:
    found = {(one.directory, one.path) for one in shelves(sites(MEDIA))}
    assert found == {
        ("/srv/media", "/"),
        ("/mnt/photos/raw", "/raw/"),
        ("/srv/downloads", "/downloads/"),
        ("/srv/vault", "/_vault/"),
        ("/srv/people", "/"),
    }


@pytest.mark.parametrize(
    ("directory", "file", "asked"),
    [
        ("/srv/media", "mug.jpg", "/mug.jpg"),
        ("/srv/media", "deep/page.html", "/deep/page.html"),
        ("/mnt/photos/raw", "one.jpg", None),  # the pattern takes it, and looks elsewhere
        ("/mnt/photos/raw", "one.txt", "/raw/one.txt"),
        ("/srv/downloads", "list.pdf", "/downloads/list.pdf"),
        ("/srv/vault", "secret.txt", None),  # not for whoever asks
        ("/srv/media", "video/film.mp4", None),  # an application's
        ("/srv/media", "raw/film.txt", None),  # another directory's
        ("/srv/media", "closed/a.txt", None),
        ("/srv/media", "one.txt", None),
    ],
)
def test_a_file_is_asked_for_where_it_is_handed_out(directory: str, file: str, asked: str | None) -> None:
    live = sites(MEDIA)
    found = lying(live, shelves(live), {directory: [file]})
    assert found == ((("media.example.com", asked),) if asked else ())


def test_each_directory_has_its_turn() -> None:
    live = sites(MEDIA)
    many = [f"{number}.txt" for number in range(MOST * 2)]
    found = lying(live, shelves(live), {"/srv/media": many, "/srv/downloads": many})
    assert len(found) == MOST
    assert [path for _, path in found[:4]] == ["/0.txt", "/downloads/0.txt", "/1.txt", "/downloads/1.txt"]


@pytest.mark.parametrize(
    ("root", "file", "asked"),
    [
        ("/srv/people/$who", "anna/index.html", ("anna.example.com", "/index.html")),
        ("/srv/people/$who", "anna/deep/a.css", ("anna.example.com", "/deep/a.css")),
        ("/srv/people/${who}/public", "anna/public/a.css", ("anna.example.com", "/a.css")),
        ("/srv/people/${who}/public", "anna/private/a.css", None),
        ("/srv/people/$who", "_shared/a.css", None),  # no name is made of that
        ("/srv/people/$who", "index.html", None),
        ("/srv/people/$who/$lang", "anna/de/a.css", None),
    ],
)
def test_whose_sites_there_are_the_directory_knows(
    root: str, file: str, asked: tuple[str, str] | None
) -> None:
    live = sites(MEDIA.replace("/srv/people/$who", root))
    found = lying(live, shelves(live), {"/srv/people": [file]})
    assert found == ((asked,) if asked else ())
