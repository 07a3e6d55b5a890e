"""What answers a request in a location, by the name of its directive, besides handing it on. Pure."""

from __future__ import annotations

FILES = ("root", "alias", "try_files", "index", "autoindex", "random_index")
"""Files, or where they are looked for."""

GENERATED = (
    *(
        "empty_gif",
        "stub_status",
        "dav_methods",
        "mp4",
        "flv",
        "memcached_pass",
        "js_content",
        "perl",
        "echo",
    ),
    *("content_by_lua", "content_by_lua_block", "content_by_lua_file"),
)
"""What nginx or one of its modules makes itself."""
