"""Starting the agent's text in a shell of the test's choice, however long the text is."""

from __future__ import annotations

from deployer.host import program

_PIECE = 100_000  #: bytes; one argument may have 128 KiB (Linux, MAX_ARG_STRLEN)
_JOIN = 'text=; while [ "$1" != -- ]; do text=$text$1; shift; done; shift; eval "$text"'


def agent(*verbs: str, text: str | None = None) -> list[str]:
    """What follows the shell's name.

    :param text: another text than this program's agent.
    """
    whole = program.bundled().text.decode() if text is None else text
    pieces = [whole[at : at + _PIECE] for at in range(0, len(whole), _PIECE)]
    return ["-c", _JOIN, "deployer-agent", *pieces, "--", *verbs]
