"""Bulletin of one issue time as a single HTML file, for the web, mail and print.

Words for the public come first; models, ages of data and verification stand in blocks that open.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from gwforecast import schema, timeline
from gwforecast.reports.entries import HEADS, KINDS, Entry, entries_of
from gwforecast.reports.map import map_of
from gwforecast.reports.pages import render
from gwforecast.runs.files import file_names
from gwforecast.schema import WELL_STATUSES
from gwforecast.verification.distribution import Thresholds, crossings
from gwforecast.verification.status import OUTLOOK_CLASSES

__all__ = ["MOST_CARDS", "Bulletin", "FailedRun", "bulletin"]


MOST_CARDS = 40
SHARP = 2  # image pixels per page pixel
COLOURS = 64  # of a picture
SEARCHED = 12  # number of wells from which there is a search
LISTED = 20  # wells without a forecast that are listed one by one
LEGEND = [*((f"c{number}", name) for number, name in enumerate(OUTLOOK_CLASSES)), ("cx", "unknown")]


@dataclass(frozen=True)
class FailedRun:
    """A run after the forecast of the page that published nothing."""

    time: str  # when it started, UTC
    meaning: str  # why, in a few words
    message: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Bulletin:
    """Pages of the forecast of one issue time; the same input gives the same text.

    Parameters
    ----------
    product : xarray.Dataset
        An archived forecast of one issue time.
    observations : xarray.Dataset, optional
        Dimensions (well, time). Later values than the issue time are not shown. Without them there
        are neither figures nor classes against normal, and no map.
    verification : pandas.DataFrame, optional
        Scores as of :func:`gwforecast.verification.archived.verified_scores`.
    title : str
        Heading of the page.
    contact : str, optional
        Whom to ask.
    thresholds : Thresholds
        Levels of alert.
    chance : float
        Probability of a crossing from which a well is marked.
    max_age : pandas.Timedelta, optional
        A page whose forecast is older says so in a banner: when it is made, and when it is read.
    now : pandas.Timestamp, optional
        The current time, naive UTC; by default the age is judged only by the reader's clock.
    failed_run : FailedRun, optional
        A later run that failed.
    most_cards : int
        Greatest number of wells with a figure and a table, starting with those whose status is not
        ``"ok"``. All wells are in the overview.
    pages : str, optional
        Folder of the pages of the wells, relative to the page. The names in the overview are then
        links to them, and the page itself has no figures.
    """

    product: xr.Dataset
    observations: xr.Dataset | None = None
    verification: pd.DataFrame | None = None
    title: str = "Groundwater levels"
    contact: str | None = None
    thresholds: Thresholds = field(default_factory=Thresholds)
    chance: float = 0.5
    max_age: pd.Timedelta | None = None
    now: pd.Timestamp | None = None
    failed_run: FailedRun | None = None
    most_cards: int = MOST_CARDS
    pages: str | None = None

    def page(self) -> str:
        """Return the page of all wells as HTML in UTF-8.

        Names of wells are always shown as text, and a content security policy allows only the
        style, the images and the few lines of script of the page itself.
        """
        entries = list(self.entries)
        cards: list[Entry] = []
        if self.pages is None:
            order = sorted(
                range(len(entries)),
                key=lambda i: (entries[i].status == "ok", entries[i].status == "degraded"),
            )
            for number, place in enumerate(order[: self.most_cards]):
                entries[place] = replace(
                    entries[place],
                    anchor=f"well-{number + 1}",
                    images=self._images(entries[place]),
                )
            cards = [entries[place] for place in order[: self.most_cards]]
        else:
            entries = [
                replace(entry, link=f"{self.pages}/{self.file_names[entry.name]}")
                for entry in entries
            ]
        failed = [entry for entry in entries if entry.kind in ("season", "none")]
        return self._render(
            "bulletin.html",
            counts=_counts(entries),
            picture=map_of(entries, self._known()),
            legend=LEGEND,
            kinds=[(kind, KINDS[kind]) for kind in KINDS if any(e.kind == kind for e in entries)],
            wells=entries,
            cards=cards,
            left_out=len(entries) - len(cards) if cards else 0,
            failed=failed,
            listed=LISTED,
            search=len(entries) >= SEARCHED,
            alerts=any(entry.thresholds for entry in entries),
            crossing=[entry for entry in entries if entry.crossing],
            statuses=[
                (s, what) for s, what in WELL_STATUSES.items() if s in {e.status for e in entries}
            ],
        )

    def well_page(self, well: str) -> str:
        """Return the page of a well as HTML."""
        entry = next(entry for entry in self.entries if entry.name == well)
        entry = replace(entry, anchor="well", images=self._images(entry))
        return self._render("well.html", well=entry)

    @cached_property
    def entries(self) -> list[Entry]:
        """What the pages say of each well."""
        return entries_of(
            self.product,
            self._known(),
            self.verification,
            crossings(self.product, self.thresholds),
            chance=self.chance,
        )

    @cached_property
    def file_names(self) -> dict[str, str]:
        """Name of the file of each well's page, by well."""
        names = file_names(entry.name for entry in self.entries)
        return {well: f"{name}.html" for well, name in names.items()}

    def _known(self) -> xr.Dataset | None:
        if self.observations is None:
            return None
        issue_time = self.product[schema.ISSUE_TIME].values[0]
        return self.observations.sel({schema.TIME: slice(None, issue_time)})

    def _render(self, name: str, **values: object) -> str:
        issue_time = self.product[schema.ISSUE_TIME].values[0]
        ends = timeline.format_time(self.product[schema.VALID_TIME].values[0, -1])
        attrs = self.product.attrs
        return render(
            name,
            look="bulletin",
            **values,
            title=self.title,
            contact=self.contact,
            issue_time=timeline.format_time(issue_time),
            ends=ends,
            steps=self.product.sizes[schema.LEAD_TIME],
            old=self._age(issue_time),
            until=self._until(issue_time),
            failed_run=self.failed_run,
            heads=[f"{100 * q:g} %" if q != 0.5 else "median" for q in HEADS],
            datum=str(self.product[schema.LEVEL].attrs.get("vertical_datum", "")),
            source=str(attrs.get("source", "gwforecast")),
            inputs=str(attrs.get("inputs_sha256", ""))[:16],
        )

    def _age(self, issue_time: np.datetime64) -> str | None:
        """Return the age of the forecast in words where it is too old."""
        if self.max_age is None or self.now is None:
            return None
        age = self.now - pd.Timestamp(issue_time)
        if age <= self.max_age:
            return None
        days = age / pd.Timedelta(days=1)
        return f"{days:.0f} days" if days >= 2 else f"{24 * days:.0f} hours"

    def _until(self, issue_time: np.datetime64) -> str:
        """Return the time from which the forecast is too old, ISO 8601 in UTC; empty if never."""
        if self.max_age is None:
            return ""
        return (pd.Timestamp(issue_time) + self.max_age).isoformat(timespec="seconds") + "Z"

    def _images(self, entry: Entry) -> list[dict[str, object]]:
        """Return the figure of a well that has a forecast, for a phone and for a wide screen."""
        known = self._known()
        if not entry.rows or known is None or entry.name not in known[schema.WELL].values:
            return []
        from gwforecast import plots  # matplotlib is loaded only to draw
        from gwforecast.plots.style import phone_axes, picture

        one = known.sel({schema.WELL: [entry.name]})
        levels = list(self.thresholds.of(entry.name).values())
        images: list[dict[str, object]] = []
        for narrow in (True, False):
            ax = plots.fan(
                self.product.drop_vars("model"), one, well=entry.name, normal=True,
                thresholds=levels, ax=phone_axes() if narrow else None,
            )  # fmt: skip
            content, width, height = picture(ax, dpi=SHARP * 100, colours=COLOURS)
            images.append(
                {
                    "data": base64.b64encode(content).decode("ascii"),
                    "width": width // SHARP,
                    "height": height // SHARP,
                    "narrow": narrow,
                }
            )
        return images


def bulletin(
    product: xr.Dataset,
    *,
    observations: xr.Dataset | None = None,
    verification: pd.DataFrame | None = None,
    title: str = "Groundwater levels",
    most_cards: int = MOST_CARDS,
) -> str:
    """Return the bulletin of a forecast as HTML; the same input gives the same text.

    More settings are those of :class:`Bulletin`.

    Parameters
    ----------
    product : xarray.Dataset
        An archived forecast of one issue time.
    observations : xarray.Dataset, optional
        Dimensions (well, time). Later values than the issue time are not shown. Without them there
        are neither figures nor classes against normal, and no map.
    verification : pandas.DataFrame, optional
        Scores as of :func:`gwforecast.verification.archived.verified_scores`.
    title : str
        Heading of the page.
    most_cards : int
        Greatest number of wells with a figure and a table, starting with those whose status is not
        ``"ok"``. All wells are in the overview.

    Returns
    -------
    str
        A page that needs no other file. Names of wells are always shown as text, never as HTML.
    """
    return Bulletin(
        product=product,
        observations=observations,
        verification=verification,
        title=title,
        most_cards=most_cards,
    ).page()


def _counts(entries: Sequence[Entry]) -> str:
    number = {kind: sum(entry.kind == kind for entry in entries) for kind in KINDS}
    text = "; ".join(f"{KINDS[kind]}: {n}" for kind, n in number.items() if n)
    return text[:1].upper() + text[1:]
