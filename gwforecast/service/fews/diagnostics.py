"""Messages of a run for Delft-FEWS, and the description of its state.

References
----------
https://publicwiki.deltares.nl/display/FEWSDOC/Pi+Diagnostics
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from gwforecast.service.fews.series import root_tag
from gwforecast.writing import write_text

__all__ = ["DEBUG", "ERROR", "FATAL", "INFO", "WARNING", "Diagnostics", "write_state"]


FATAL, ERROR, WARNING, INFO, DEBUG = 0, 1, 2, 3, 4
"""Levels of a message. One of level 0 or 1 makes the run a failed one in Delft-FEWS."""

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass
class Diagnostics:
    """Messages in the order in which they were reported.

    Examples
    --------
    >>> messages = Diagnostics()
    >>> messages.report(WARNING, "the weather ends early")
    >>> messages.failed
    False
    """

    lines: list[tuple[int, str]] = field(default_factory=list)

    def report(self, level: int, text: str) -> None:
        """Add a message."""
        self.lines.append((level, " ".join(_ILLEGAL.sub("?", text).split())))

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(level <= ERROR for level, _ in self.lines)

    def write(self, path: Path) -> Path:
        """Write the messages as a diagnostics file of the Published Interface."""
        lines = [
            f"<line level={quoteattr(str(level))} description={quoteattr(text)}/>"
            for level, text in self.lines or [(INFO, "nothing to report")]
        ]
        head = '<?xml version="1.0" encoding="UTF-8"?>'
        text = "\n".join([head, root_tag("Diag", "pi_diag.xsd", "1.2"), *lines, "</Diag>"])
        return write_text(path, f"{text}\n")

    @contextmanager
    def warnings(self) -> Iterator[None]:
        """Report the warnings of Python as messages."""
        import warnings

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield
            finally:
                for one in caught:
                    hidden = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
                    if not issubclass(one.category, hidden):
                        self.report(WARNING, str(one.message))


def write_state(path: Path, *, time: np.datetime64, zone: float, files: tuple[str, str]) -> Path:
    """Write the description of a state, pi_state.xml.

    Parameters
    ----------
    zone : float
        Hours that it is ahead of UTC.
    files : tuple of str
        Name under which the state is read, and that under which it is written.
    """
    stamp = str(time.astype("datetime64[s]"))
    read, written = (escape(name) for name in files)
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
{root_tag("State", "pi_state.xsd", "1.2")}
<stateId>gwforecast</stateId>
<timeZone>{zone:.1f}</timeZone>
<dateTime date="{stamp[:10]}" time="{stamp[11:]}"/>
<stateLoc type="file">
<readLocation>{read}</readLocation>
<writeLocation>{written}</writeLocation>
</stateLoc>
</State>
"""
    return write_text(path, text)
