"""Public data sets, fetched from their own homes by pooch and verified by their sums."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from gwforecast.data.samples import datasets_folder
from gwforecast.progress import Progress

__all__ = ["fetch_public", "list_public"]


SECONDS = 60  # that a server may be silent for


def list_public() -> pd.DataFrame:
    """Return the public data sets that are known.

    Returns
    -------
    pandas.DataFrame
        Columns name, title, citation, doi, licence, home, files (number of those whose sums are
        known; 0 where none is, so that a registry of one's own is needed).

    Examples
    --------
    >>> list_public()["name"].tolist()
    ['challenge', 'gems-ger', 'kit']
    """
    rows = [{"name": n, **entry, "files": len(entry["files"])} for n, entry in _known().items()]
    return pd.DataFrame(rows)


def fetch_public(
    name: str,
    folder: Path | str,
    *,
    home: str | None = None,
    registry: Path | str | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Fetch a public data set into a folder; files that are there and right are kept.

    Each file is verified by its sum before it takes its place, so that a fetch that was broken off
    goes on where it was.

    Parameters
    ----------
    name : str
        A name of :func:`list_public`.
    folder : pathlib.Path or str
        Where the files go, in the folders that they have at home.
    home : str, optional
        URL that the names of the files are put behind, e.g. of a mirror.
    registry : pathlib.Path or str, optional
        Names and sums of the files, a pair a line, as pooch makes and reads them; by default those
        that the package knows.
    progress : Progress, optional
        Told of files.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of the registry.

    Raises
    ------
    ValueError
        If the data set or its sums are not known, or a file is not the one that was published.
    ConnectionError
        If a file can't be fetched.
    FileExistsError
        If a file of that name with other content is there.

    References
    ----------
    Uieda et al. (2020), doi:10.21105/joss.01943, for pooch.
    """
    import pooch

    known = _known()
    if name not in known:
        raise ValueError(
            f"A public data set is fetched by its name. Received {name!r}. Choose one of "
            f"{', '.join(known)}."
        )
    entry = known[name]
    files = entry["files"] if registry is None else _read_registry(Path(registry))
    if not files:
        raise ValueError(
            f"Files are fetched by their sums. Received {name!r}, whose sums are not known here. "
            f"Fetch it by hand from {entry['home']} (doi:{entry['doi']}), or give the names and "
            "sums of its files with registry=... and where they lie with home=..."
        )
    pooch.get_logger().setLevel("ERROR")
    source = pooch.create(
        path=Path(folder),
        base_url=(home or entry["home"]).rstrip("/") + "/",
        registry=dict(files),
        retry_if_failed=1,
        allow_updates=False,
    )
    found = []
    for done, file in enumerate(files):
        if progress is not None:
            progress(name, done, len(files))
        found.append(_fetch(source, file, Path(folder) / file))
    if progress is not None:
        progress(name, len(files), len(files))
    return found


def _fetch(source: Any, file: str, target: Path) -> Path:
    import pooch

    if target.exists() and not pooch.hashes.hash_matches(str(target), source.registry[file]):
        raise FileExistsError(
            f"A file is fetched to where none is, or the same. Received {target}, whose content is "
            "another. Move it away, or choose another folder."
        )
    try:
        return Path(source.fetch(file, downloader=pooch.HTTPDownloader(timeout=SECONDS)))
    except ValueError as error:
        raise ValueError(
            f"A file must be the one whose sum is known. Received another one for {file!r} from "
            f"{source.get_url(file)}: it was changed, or cut off. Fetch again; if that does not "
            f"help, give the sums of the new one with registry=... ({error})"
        ) from None
    except OSError as error:  # those of requests among them
        raise ConnectionError(
            f"A data set is fetched from its home. Received {type(error).__name__} for "
            f"{source.get_url(file)}: {error}. Fetch again when it can be reached: what is there "
            "is kept."
        ) from None


def _known() -> dict[str, dict[str, Any]]:
    stored: dict[str, dict[str, Any]] = json.loads(
        (datasets_folder() / "public.json").read_text("utf-8")
    )
    return stored


def _read_registry(path: Path) -> Mapping[str, str]:
    """Return sums by file; names that lead out of the folder are an error."""
    files: dict[str, str] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, total = line.strip().rpartition(" ")
        inside = PurePosixPath(name)
        if not name.strip() or inside.is_absolute() or ".." in inside.parts or "\\" in name:
            raise ValueError(
                "A registry has a file and its sum in each line, and files stay in the folder. "
                f"Received {line!r} in line {number} of {path}. Correct it."
            )
        files[name.strip()] = total
    return files
