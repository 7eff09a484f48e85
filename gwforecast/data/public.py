"""Public data sets, downloaded from their providers with pooch and verified by checksums."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from gwforecast.data.samples import datasets_folder
from gwforecast.progress import ProgressOption, as_callback

__all__ = ["fetch_public", "list_public"]


SECONDS = 60  # without an answer of the server


def list_public() -> pd.DataFrame:
    """Return the known public data sets.

    Returns
    -------
    pandas.DataFrame
        Columns name, title, citation, doi, licence, home, files (number of files with
        known checksums; if it is 0, a registry must be given).

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
    progress: ProgressOption = None,
) -> list[Path]:
    """Download a public data set into a folder; valid files that exist are kept.

    Each file is verified by its checksum before it is put in place, so interrupted downloads
    resume.

    Parameters
    ----------
    name : str
        A name of :func:`list_public`.
    folder : pathlib.Path or str
        Where the files are put, in the folders of the provider.
    home : str, optional
        Base URL of the files, e.g. of a mirror.
    registry : pathlib.Path or str, optional
        File with a name and a checksum in each line, as pooch writes it; by default the checksums
        that the package contains.
    progress : Progress or bool, optional
        Progress callback, called for files.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of the registry.

    Raises
    ------
    ValueError
        If the data set or its checksums are unknown, or a file differs from the published one.
    ConnectionError
        If a file cannot be downloaded.
    FileExistsError
        If a file of that name exists with other content.

    References
    ----------
    Uieda et al. (2020), doi:10.21105/joss.01943, for pooch.
    """
    import pooch

    known = _known()
    if name not in known:
        raise ValueError(
            f"A public data set is downloaded by its name. Received {name!r}. Choose one of "
            f"{', '.join(known)}."
        )
    entry = known[name]
    files = entry["files"] if registry is None else _read_registry(Path(registry))
    if not files:
        raise ValueError(
            f"Files are verified by their checksums. Received {name!r}, whose sums are not known. "
            f"Download it by hand from {entry['home']} (doi:{entry['doi']}), or give the names and "
            "checksums of its files with registry=... and their base URL with home=..."
        )
    pooch.get_logger().setLevel("ERROR")
    source = pooch.create(
        path=Path(folder),
        base_url=(home or entry["home"]).rstrip("/") + "/",
        registry=dict(files),
        retry_if_failed=1,
        allow_updates=False,
    )
    found, progress = [], as_callback(progress)
    for done, file in enumerate(files):
        if progress is not None:
            progress(name, done, len(files))
        found.append(_fetch(source, file, Path(folder)))
    if progress is not None:
        progress(name, len(files), len(files))
    return found


def _fetch(source: Any, file: str, folder: Path) -> Path:
    import pooch

    target = folder / file
    inside = [
        folder.joinpath(*PurePosixPath(file).parts[:k]) for k in range(1, 1 + file.count("/"))
    ]
    link = next((path for path in (*inside, target) if path.is_symlink()), None)
    if link is not None:
        raise FileExistsError(
            f"A download must not be written through a link. Received {link}, which is one. "
            "Remove it, or choose another folder."
        )
    if target.exists() and not pooch.hashes.hash_matches(str(target), source.registry[file]):
        raise FileExistsError(
            f"A download must not overwrite another file. Received {target}, which has other "
            "content. Move it away, or choose another folder."
        )
    try:
        return Path(source.fetch(file, downloader=pooch.HTTPDownloader(timeout=SECONDS)))
    except ValueError as error:
        raise ValueError(
            f"A file must have its known checksum. Received another file for {file!r} from "
            f"{source.get_url(file)}: it was changed or is incomplete. Download it again; if that "
            f"does not help, give the new checksums with registry=... ({error})"
        ) from None
    except OSError as error:  # those of requests among them
        raise ConnectionError(
            f"A data set is downloaded from its provider. Received {type(error).__name__} for "
            f"{source.get_url(file)}: {error}. Download it again when the server can be reached; "
            "files that exist are kept."
        ) from None


def _known() -> dict[str, dict[str, Any]]:
    stored: dict[str, dict[str, Any]] = json.loads(
        (datasets_folder() / "public.json").read_text("utf-8")
    )
    return stored


def _read_registry(path: Path) -> Mapping[str, str]:
    """Return checksums by file; names that point outside the folder are an error."""
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
