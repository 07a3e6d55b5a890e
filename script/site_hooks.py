"""Files outside docs/ that its pages link to go into the site as they are, below ``repository/``."""

from __future__ import annotations

import os.path
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

LINK = re.compile(r"(?<=\]\()(?:\.\./)+[^)\s#]+(?=[)#])")
PLACE = "repository"


def on_files(files: Files, config: Any) -> Files:
    """Add every file that a page names above docs/."""
    for page in list(files.documentation_pages()):
        for target in LINK.findall(page.content_string):
            if (path := _outside(page.src_uri, target)) is not None:
                place = f"{PLACE}/{path}.txt"
                if files.get_file_from_path(place) is None:
                    text = (Path(config.docs_dir).parent / path).read_text()
                    files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point the links at the copies."""

    def moved(link: re.Match[str]) -> str:
        path = _outside(page.file.src_uri, link[0])
        if path is None:
            return link[0]
        return os.path.relpath(f"{PLACE}/{path}.txt", os.path.dirname(page.file.src_uri) or ".")  # noqa: PTH120 - URIs

    return LINK.sub(moved, markdown)


def _outside(page: str, target: str) -> str | None:
    """The path from the project's root of what lies above docs/, else ``None``."""
    path = os.path.normpath(os.path.join("docs", os.path.dirname(page), target))  # noqa: PTH118, PTH120 - URIs
    return None if path.startswith("docs/") else path
