"""The champion of each well, the bundle that forecasts it, and the previous one."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from filelock import FileLock, Timeout

from gwforecast.calibration.calibrated import Calibrated
from gwforecast.models.bundle import BundleError
from gwforecast.runs.files import write_text
from gwforecast.service import bundle

__all__ = ["Champion", "Champions", "ChampionsBusyError"]


TABLE, LOCK, BUNDLES = "champions.json", "champions.lock", "bundles"
NAME = 16  # digits of a bundle's sum that name its folder
CHECKSUM = re.compile(r"[0-9a-f]{64}")


class ChampionsBusyError(RuntimeError):
    """Another run holds the lock of the champions."""


@dataclass(frozen=True)
class Champion:
    """Checksums of the bundles of one well."""

    bundle: str  # checksum of the bundle that forecasts the well
    previous: str = ""  # checksum of the previous one; empty if there is none


class Champions:
    """A folder of bundles, and a table of the bundle that forecasts each well.

    Parameters
    ----------
    folder : pathlib.Path or str
        Created with the first bundle.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock while models are trained.

        Raises
        ------
        ChampionsBusyError
            If another run holds the lock.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / LOCK, timeout=0):
                yield
        except Timeout:
            raise ChampionsBusyError(
                f"Only one run at a time may train the models of a folder. Received "
                f"{str(self.folder)!r}, whose lock another run holds. Wait for it to end."
            ) from None

    def table(self) -> dict[str, Champion]:
        """Return the champion of each well.

        Raises
        ------
        BundleError
            If the table is damaged.
        """
        path = self.folder / TABLE
        if not path.exists():
            return {}
        try:
            stored = json.loads(path.read_text("utf-8"))
            wells = {well: Champion(**pair) for well, pair in stored["wells"].items()}
            sound = stored["sha256"] == _sum(wells) and all(map(_is_sound, wells.values()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            sound = False
        if not sound:
            raise BundleError(
                f"The table of champions must be as it was written. Received {str(path)!r}, which "
                "is damaged. Restore it from a backup, or train the models again."
            )
        return wells

    def path(self, name: str) -> Path:
        """Return the folder of a bundle."""
        return self.folder / BUNDLES / name[:NAME]

    def open(self, name: str) -> tuple[Calibrated, dict[str, Any]]:
        """Return the forecaster and the manifest of a bundle.

        Raises
        ------
        FileNotFoundError
            If it does not exist.
        BundleError
            If it is damaged, or is another bundle.
        """
        return bundle.load_bundle(self.path(name), expected=name)

    def add(
        self, fitted: Calibrated, observations: xr.Dataset, *, card: Mapping[str, object]
    ) -> str:
        """Store a forecaster without making it a champion; return the checksum of its bundle."""
        building = self.folder / BUNDLES / ".building"
        shutil.rmtree(building, ignore_errors=True)
        name = bundle.save_bundle(fitted, building, observations, card=card)
        self._place(building, name)
        return name

    def _place(self, made: Path, name: str) -> None:
        """Move a bundle to its place, unless it is there: a champion is there all the time."""
        try:
            self.open(name)
        except (BundleError, OSError):
            shutil.rmtree(self.path(name), ignore_errors=True)  # damaged, or absent
            self.path(name).parent.mkdir(parents=True, exist_ok=True)
            made.replace(self.path(name))

    def promote(self, wells: Iterable[str], name: str) -> None:
        """Make a bundle the champion of some wells, and keep their previous champions."""
        table = self.table()
        for well in wells:
            held = table.get(well)
            if held is None or held.bundle != name:
                table[well] = Champion(name, held.bundle if held else "")
        self._write(table)

    def adopt(self, other: Champions) -> None:
        """Move the bundles of another folder here, and make them the champions of its wells.

        Parameters
        ----------
        other : Champions
            On the same file system; its bundles are moved.
        """
        given = other.table()
        for name in sorted({pair.bundle for pair in given.values()}):
            if other.path(name).exists():
                self._place(other.path(name), name)
            self.promote([well for well, pair in given.items() if pair.bundle == name], name)

    def step_back(self, wells: Iterable[str]) -> None:
        """Exchange the champion of each well with the previous one.

        Raises
        ------
        ValueError
            If a well has no previous champion.
        """
        table = self.table()
        for well in wells:
            held = table.get(well)
            if held is None or not held.previous:
                raise ValueError(
                    "A well can only step back to a previous champion. Received "
                    f"{well!r}, which has none. Train the well, or leave it out."
                )
            table[well] = Champion(held.previous, held.bundle)
        self._write(table)

    def sweep(self) -> list[Path]:
        """Remove bundles that are neither the champion nor the previous champion of a well."""
        kept = {name[:NAME] for pair in self.table().values() for name in asdict(pair).values()}
        folder = self.folder / BUNDLES
        litter = (
            sorted(p for p in folder.iterdir() if p.name not in kept) if folder.exists() else []
        )
        for path in litter:
            shutil.rmtree(path)
        return litter

    def _write(self, table: Mapping[str, Champion]) -> None:
        wells = {well: asdict(pair) for well, pair in sorted(table.items())}
        text = json.dumps({"wells": wells, "sha256": _sum(table)}, indent=1, ensure_ascii=False)
        write_text(self.folder / TABLE, text + "\n")


def _is_sound(pair: Champion) -> bool:
    """Return whether both names are checksums, which name folders."""
    return bool(CHECKSUM.fullmatch(pair.bundle)) and bool(
        not pair.previous or CHECKSUM.fullmatch(pair.previous)
    )


def _sum(table: Mapping[str, Champion]) -> str:
    rows = [[well, pair.bundle, pair.previous] for well, pair in sorted(table.items())]
    return hashlib.sha256(json.dumps(rows).encode("ascii")).hexdigest()
