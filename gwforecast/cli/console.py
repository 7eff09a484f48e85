"""What commands print: tables, progress, warnings and errors."""

from __future__ import annotations

import datetime as dt
import errno
import json
import logging
import os
import re
import sys
import textwrap
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from gwforecast.progress import DETAIL

if TYPE_CHECKING:
    import pandas as pd

    from gwforecast.progress import Progress as ProgressCallback
    from gwforecast.runs.results import Backtest, Evaluation

__all__ = [
    "clean", "errors", "event", "exit_with", "in_words", "log_as", "lose",
    "print_coverage", "print_failures", "print_findings", "print_paths", "print_reports",
    "print_table", "print_understood", "progress_bars", "refuse_errors", "say_in_one_line",
    "screen", "show_tracebacks", "show_warning",
]  # fmt: skip


def _occupy() -> None:
    """Open the null device where standard streams are closed: no other file may take their place.

    Python has no stream then either.
    """
    for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w"))  # noqa: SIM115


class _Screen(Console):
    """A console whose loss does not end a run: a pipe that was closed, or a disk that is full."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as Console does; after an error of the stream nothing is printed any more."""
        try:
            super().print(*objects, **options)
            self.file.flush()
        except OSError as error:
            lose(self.stderr)
            if not self.stderr and error.errno != errno.EPIPE:
                errors.print("warning: what is printed cannot be written, " + str(error.strerror))

    def say(self, text: str) -> None:
        """Print text from outside: made visible, without passwords, and in lines of any length."""
        self.print(clean(text), soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Stop printing; the run continues and ends with its own exit code."""
        self.quiet = True
        lose(self.stderr)


def lose(standard_error: bool) -> None:
    """Send all further output of a stream nowhere, also what its buffer still holds."""
    stream = sys.stderr if standard_error else sys.stdout
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, stream.fileno())
    except (OSError, ValueError):
        return
    finally:
        os.close(null)


_occupy()
screen = _Screen(highlight=False, markup=False, width=None if sys.stdout.isatty() else 120)
errors = _Screen(highlight=False, markup=False, stderr=True)
SHOWN_REPORTS = 3
_SHOWN: dict[str, bool] = {"traceback": False, "json": False}
_WARNED: set[str] = set()
"""Warnings of this run: a file that is read again warns again, and is reported once."""
LOG = logging.getLogger("gwforecast")


def log_as(form: str) -> None:
    """Begin the log of a run on standard error, in the form ``"text"`` or ``"json"``."""
    _WARNED.clear()
    _SHOWN["json"] = form == "json"
    if _SHOWN["json"]:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_JsonLines())
        LOG.handlers[:] = [handler]
        LOG.setLevel(logging.INFO)
        LOG.propagate = False


def event(message: str, **fields: object) -> None:
    """Log an event of a run; it is only shown where the log is JSON."""
    if _SHOWN["json"]:
        LOG.info(message, extra={"fields": fields})


class _JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, message and further fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON."""
        from gwforecast.writing import redact

        when = dt.datetime.fromtimestamp(record.created, dt.UTC)
        entry = {
            "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "message": redact(record.getMessage()),
            **getattr(record, "fields", {}),
        }
        return json.dumps(entry, ensure_ascii=False, default=str)


def show_tracebacks(wanted: bool) -> None:
    """Set whether the traceback of an error is printed too."""
    _SHOWN["traceback"] = wanted


_NUMBER = re.compile(r"-|nan|None|-?[\d.]+(e[-+]\d+)?")


def print_table(title: str, table: pd.DataFrame) -> None:
    """Print a table under its title."""
    screen.print(Text(clean(title), style="italic"), soft_wrap=True)
    drawn = Table(box=None, pad_edge=False)
    for column in table.columns:
        numeric = all(_NUMBER.fullmatch(str(value)) for value in table[column].tolist())
        drawn.add_column(
            clean(str(column)),
            justify="right" if numeric else "left",
            no_wrap=numeric or column != table.columns[-1],
        )
    for row in table.itertuples(index=False):
        drawn.add_row(*(Text(_cell(value)) for value in row))
    screen.print(drawn)
    screen.print()


def print_reports(result: Evaluation | Backtest, folder: Path, *, wells: int) -> None:
    """Write the reports of a run and print their paths."""
    from gwforecast.reports.results import write_reports

    with progress_bars() as progress:
        paths = write_reports(result, folder, wells=max(wells, 1), progress=progress)
    shown = [str(path) for name, path in paths.items() if name.endswith(".html")]
    screen.say("Reports: " + ", ".join(shown[-SHOWN_REPORTS:]))


def _cell(value: Any) -> str:
    if value is None or value != value:  # NaN and NaT differ from themselves
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    return clean(str(value))


@contextmanager
def progress_bars() -> Iterator[ProgressCallback | None]:
    """Yield a progress callback that draws bars on standard error; None if that is no terminal."""
    if not errors.is_terminal:
        yield None
        return
    from rich import progress  # which most commands do not need

    name = Column(no_wrap=True, overflow="ellipsis", max_width=44)
    columns = (
        progress.TextColumn("{task.description}", table_column=name), progress.BarColumn(12),
        progress.MofNCompleteColumn(), progress.TimeRemainingColumn(compact=True),
        progress.TextColumn("left"),
    )  # fmt: skip
    with progress.Progress(*columns, console=errors, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def report(task: str, done: float, total: int) -> None:
            name, _, detail = task.partition(DETAIL)
            if name not in tasks:  # a screen has room for what is in work only
                for old in [task for task in bars.tasks if task.finished]:
                    bars.remove_task(tasks.pop(old.fields["name"]))
                tasks[name] = bars.add_task("", total=total, name=name)
            shown = clean(f"{name}\n  {detail}" if detail else name)
            bars.update(tasks[name], completed=done, total=total, description=shown)

        yield report


_FIRST = (
    "hydrograph", "scores_nse", "all_models", "interval_coverage", "fan", "hindcasts",
    "rmse_by_lead", "wells_map", "wells_distribution", "residuals", "gaps", "status",
    "observed_predicted",
)  # fmt: skip
"""Kinds of figures, the most important first."""


def print_paths(paths: Mapping[str, Path], *, most: int = 10) -> None:
    """Print the most important figures among the files of a run, and how many more there are."""
    figures = [path for name, path in paths.items() if name.endswith(".png")]
    seen: dict[int, int] = {}
    ranked = []
    for path in figures:
        kind = next((n for n, kind in enumerate(_FIRST) if path.stem.startswith(kind)), len(_FIRST))
        seen[kind] = seen.get(kind, 0) + 1
        ranked.append((seen[kind], kind, path))
    ranked.sort(key=lambda entry: entry[:2])  # one of each kind before the second of any
    shown = ranked if len(ranked) <= most else ranked[: most - 1]
    lines = [str(path) for _, _, path in shown]
    if len(ranked) > len(shown):
        lines.append(f"and {len(ranked) - len(shown)} more figures in {figures[0].parent}")
    if lines:
        screen.print("\n".join(map(clean, lines)), soft_wrap=True)


def clean(text: str) -> str:
    """Return text with control characters made visible, and without passwords."""
    from gwforecast.writing import redact  # loads pandas, which a start need not wait for

    shown = "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
    return redact(shown)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """Print a warning as one line on standard error, once; those for programmers are not."""
    of_programmers = DeprecationWarning | PendingDeprecationWarning | FutureWarning
    if issubclass(category, of_programmers) or str(message) in _WARNED:
        return
    _WARNED.add(str(message))
    if _SHOWN["json"]:
        LOG.warning("%s", clean(str(message)))
        return
    errors.print(Text(f"warning: {clean(str(message))}", style="yellow"), soft_wrap=True)


def exit_with(error: BaseException, code: int) -> int:
    """Print an error as one message on standard error; return the exit code."""
    if _SHOWN["traceback"]:
        traceback.print_exception(error)
    if _SHOWN["json"]:
        LOG.error("%s", clean(in_words(error)), extra={"fields": {"code": code}})
        return code
    errors.print(Text(f"error: {clean(in_words(error))}", style="bold red"), soft_wrap=True)
    return code


_FIXES = {
    errno.ENOENT: "Correct the path",
    errno.ENOTDIR: "Correct the path: a part of it is a file",
    errno.EISDIR: "Name a file, not a folder",
    errno.EACCES: "Change the permissions, or choose another place",
    errno.EPERM: "Change the permissions, or choose another place",
    errno.EROFS: "Choose a place that can be written to",
    errno.ENOSPC: "Free some space, or choose another disk",
    errno.EFBIG: "Raise the limit of the size of files (ulimit -f)",
    errno.EDQUOT: "Free some space, or choose another disk",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.EMFILE: "Raise the limit of open files (ulimit -n), or use fewer workers",
}


def in_words(error: BaseException) -> str:
    """Return the message of an error; an error of the system is put into a sentence."""
    if isinstance(error, MemoryError):
        return (
            f"A run must fit into memory. Received more than there is ({error}). Use fewer wells "
            "or members, a smaller horizon, or shards (--shard)."
        )
    if not isinstance(error, OSError) or error.errno is None or error.strerror is None:
        return str(error)
    place = "a file or connection" if error.filename is None else repr(str(error.filename))
    reason = error.strerror[:1].lower() + error.strerror[1:]
    fix = _FIXES.get(error.errno, "Check the path and the disk")
    return f"Files of a run must be readable and writable. Received {place}: {reason}. {fix}."


WIDTH = 79
NAMED = 4  # wells that are named of a finding
ORDER = ("error", "warning", "note")


def print_understood(stored: str) -> None:
    """Print what was understood (an attribute of the observations), a topic a line."""
    lines = json.loads(stored) if stored else []
    if not lines:
        return
    screen.print("What was understood")
    width = min(max(len(about) for about, _ in lines), 36)
    before = None
    for about, what in lines:
        shown = "" if about == before else about
        before = about
        for k, part in enumerate(_wrapped(f"{what}", width + 4)):
            screen.say(f"  {shown if k == 0 else '':<{width}}  {part}")
    screen.print()


def say_in_one_line(stored: str) -> None:
    """Print the main points of what was understood in one line."""
    listed = json.loads(stored) if stored else []
    lines = dict(reversed(listed)) | {k: v for k, v in listed if k == "wells"}  # count and names
    names = {"wells": "wells", "unit": "levels in", "read as": "read as", "axis": "time steps"}
    parts = [f"{said} {lines[about]}" for about, said in names.items() if about in lines]
    if parts:
        screen.say("Understood: " + "; ".join(parts) + "\n")


def print_findings(findings: pd.DataFrame, *, least: str = "note") -> int:
    """Print findings by check, with their wells and the first message; return the number of errors.

    ``least`` is the mildest severity that is printed.
    """
    wanted = ORDER[: ORDER.index(least) + 1]
    shown = findings[findings["severity"].isin(wanted)]
    for line in _lines(shown):
        screen.say(line)
    if len(shown):
        screen.print()
    return int((findings["severity"] == "error").sum())


def print_failures(outcomes: pd.DataFrame) -> None:
    """Print the models and wells of a run that failed, and exit with code 1 if there are any."""
    failed = outcomes[outcomes["status"] == "failed"]
    if len(failed):
        names = failed["well"].groupby(failed["model"], sort=False).agg(", ".join)
        print_table("Failed; the reasons are in run.json", names.reset_index())
        raise typer.Exit(1)


def print_coverage(table: pd.DataFrame, *, by: Literal["model", "lead"]) -> None:
    """Print the coverage of the 95 % interval by blocks of years, with its range; none if empty.

    With ``by="lead"`` all rows are of one model.
    """
    from gwforecast.verification.probabilistic import coverage_note, coverage_of_blocks

    note = coverage_note(table)
    if not note:
        return
    found = coverage_of_blocks(table, by=by)
    shown = found.pivot_table("value", by, "years", sort=False, observed=True)
    whole = found[found["years"] == "all"].set_index(by).loc[shown.index]
    shown["its 95 % range"] = [
        f"{low:.2f} to {high:.2f}" for low, high in zip(whole["lower"], whole["upper"], strict=True)
    ]
    shown["n"] = whole["n"].tolist()
    wells = table["well"].nunique()
    of = f"median of {wells} wells" if wells > 1 else "1 well"
    model = f" of {table['model'].iloc[0]}" if by == "lead" else ""
    steps = ", by lead time in steps" * (by == "lead")
    title = f"95 % interval{model}: share of levels inside, test period, {of}{steps}"
    print_table(title, shown.reset_index())
    screen.say(note)


def refuse_errors(count: int, *, allowed: bool) -> None:
    """Exit with code 1 if the data have findings of severity error, unless these are allowed."""
    if not count or allowed:
        return
    findings = "1 finding" if count == 1 else f"{count} findings"
    screen.print(
        f"The data have {findings} of severity error, see above. Correct the data, or accept "
        f"{'it' if count == 1 else 'them'} with --allow-errors.",
        soft_wrap=True,
    )
    raise typer.Exit(1)


def _lines(findings: pd.DataFrame) -> Iterator[str]:
    for severity in ORDER:
        of_severity = findings[findings["severity"] == severity]
        for (check, variable), group in of_severity.groupby(["check", "variable"], sort=False):
            wells = [str(well) for well in group["well"].drop_duplicates() if str(well)]
            named = ", ".join(wells[:NAMED]) + (", ..." if len(wells) > NAMED else "")
            count = f"{len(wells)} wells: " if len(wells) > 1 else ""
            of = f" of {variable}" if variable else ""
            yield f"{severity:<8} {check}{of}" + (f"  {count}{named}" if wells else "")
            yield from (f"         {part}" for part in _wrapped(str(group["message"].iloc[0]), 9))
            if (more := len(group) - 1) > 0:
                yield f"         ... and {more} more finding{'s' * (more > 1)} of this check"


def _wrapped(text: str, used: int) -> list[str]:
    return textwrap.wrap(text, WIDTH - used, break_long_words=False, break_on_hyphens=False) or [""]
