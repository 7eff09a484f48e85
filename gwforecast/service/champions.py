"""Bundles of calibrated forecasters, and the champion of each well and the previous one."""

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
from gwforecast.calibration.forecaster import Corrected
from gwforecast.config.tables import CHAMPIONS
from gwforecast.models.base import Forecaster
from gwforecast.models.bundle import BundleError, read_bundle, write_bundle
from gwforecast.runs.catalogue import MODELS, model_class
from gwforecast.runs.saved import restore
from gwforecast.writing import write_text

__all__ = [
    "Champion", "Champions", "ChampionsBusyError", "check_storable", "load_bundle",
    "save_bundle",
]  # fmt: skip


LOCK, BUNDLES = "champions.lock", "bundles"
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

    ``folder``: created with the first bundle.
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
        path = self.folder / CHAMPIONS
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
        return load_bundle(self.path(name), expected=name)

    def add(
        self, fitted: Calibrated, observations: xr.Dataset, *, card: Mapping[str, object]
    ) -> str:
        """Store a forecaster without making it a champion; return the checksum of its bundle."""
        building = self.folder / BUNDLES / ".building"
        shutil.rmtree(building, ignore_errors=True)
        name = save_bundle(fitted, building, observations, card=card)
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

        ``other``: on the same file system; its bundles are moved.
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
        write_text(self.folder / CHAMPIONS, text + "\n")


def _is_sound(pair: Champion) -> bool:
    """Return whether both names are checksums, which name folders."""
    return bool(CHECKSUM.fullmatch(pair.bundle)) and bool(
        not pair.previous or CHECKSUM.fullmatch(pair.previous)
    )


def _sum(table: Mapping[str, Champion]) -> str:
    rows = [[well, pair.bundle, pair.previous] for well, pair in sorted(table.items())]
    return hashlib.sha256(json.dumps(rows).encode("ascii")).hexdigest()


def save_bundle(
    fitted: Calibrated,
    folder: Path | str,
    observations: xr.Dataset,
    *,
    card: Mapping[str, object] | None = None,
) -> str:
    """Write a fitted and calibrated forecaster to a folder; return the checksum of the bundle.

    Parameters
    ----------
    fitted : Calibrated
        Its forecasters must be of classes in the catalogue.
    folder : pathlib.Path or str
        Target folder. The checksums are written last, so an unfinished folder is not a bundle.
    observations : xarray.Dataset
        Observations it was fitted on; names and units of covariates, frequency and datum are
        stored.
    card : mapping, optional
        Model card: scores, intended use, limits; plain JSON.

    Returns
    -------
    str
        The sha256 of the manifest, which contains the sha256 of the arrays.

    Raises
    ------
    BundleError
        If the class of a forecaster is not in the catalogue.
    """
    try:
        check_storable(fitted.forecaster)
        state = fitted.whole_state()
    except TypeError as error:
        raise BundleError(str(error)) from None
    return write_bundle(folder, state, observations=observations, card=card)


def load_bundle(
    folder: Path | str, *, expected: str | None = None
) -> tuple[Calibrated, dict[str, Any]]:
    """Read a bundle; return the forecaster and the manifest.

    Neither TensorFlow nor Keras is imported: trained networks run in NumPy.

    ``folder``: folder written by :func:`save_bundle`; ``expected``: checksum that
    :func:`save_bundle` returned; by default any bundle is read.

    Raises
    ------
    FileNotFoundError
        If the folder or one of its files does not exist.
    BundleError
        If a checksum does not match, anything in it has another form than declared, or the
        forecaster in it is not calibrated.
    """
    fitted, manifest = read_bundle(folder, restore=restore, expected=expected)
    if not isinstance(fitted, Calibrated):
        raise BundleError(
            f"A scheduled forecast needs a calibrated model. Received {str(folder)!r}, which holds "
            f"{fitted.name!r} without intervals. Fit it with gwforecast.fit_calibrated."
        )
    return fitted, manifest


def check_storable(forecaster: Forecaster) -> None:
    """Raise if a forecaster cannot be stored; to be called before fitting.

    ``forecaster``: fitted or not. The parts of a :class:`Corrected` are checked.

    Raises
    ------
    TypeError
        If its class is not in the catalogue, or has no ``to_state``. A subclass of a class in the
        catalogue is refused too, because it would be read back as its parent.
    """
    if type(forecaster) is Corrected:
        for part in forecaster.parts:
            check_storable(part)
    elif not type(forecaster).storable or _model_of(forecaster) is None:
        raise TypeError(
            f"A bundle stores models of the catalogue: {', '.join(MODELS)}. Received "
            f"{forecaster.name!r}, whose class {type(forecaster).__name__} is not one of them. Add "
            "the class to the catalogue, or use a model that is in it."
        )


def _model_of(forecaster: Forecaster) -> str | None:
    """Return the name in the catalogue of the exact class of a forecaster."""
    cls = type(forecaster)
    names = (name for name, path in MODELS.items() if path.endswith(f":{cls.__name__}"))
    return next((name for name in names if model_class(name) is cls), None)
