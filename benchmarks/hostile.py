"""Hostile bundles, stores and files: each must be refused with a message, and nothing be executed.

Each case runs in a fork with limits on memory and time. Whatever would execute writes a file, whose
absence is checked, and nothing may be written outside of the folder of the case.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import resource
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from gwforecast.models.bundle import ARRAYS, MANIFEST, SUMS, BundleError
from gwforecast.schema import SchemaError
from gwforecast.service.archive import ArchiveError
from gwforecast.service.archive.backup import restore
from gwforecast.service.champions import Champions, load_bundle

MEMORY, SECONDS = 3 * 2**30, 60
REFUSALS = (BundleError, SchemaError, ArchiveError, FileNotFoundError)
Row = tuple[str, int, int, str]


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


def _npy(header: str, body: bytes = b"\0" * 8) -> bytes:
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def _zip(members: dict[str, bytes], **info: Any) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **info) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def bundles(sound: Path, canary: Path) -> dict[str, Callable[[Path], object]]:
    """Return cases that make a hostile bundle of a sound one and read it."""
    text = (sound / MANIFEST).read_text("utf-8")
    with zipfile.ZipFile(sound / ARRAYS) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    first = next(iter(members))

    def read(manifest: str | None = None, arrays: bytes | None = None) -> Callable[[Path], object]:
        """Write both files with right sums, as one who can write may do."""

        def case(place: Path) -> object:
            folder = place / "bundle"
            shutil.copytree(sound, folder)
            content = (sound / ARRAYS).read_bytes() if arrays is None else arrays
            made = text if manifest is None else manifest
            old = json.loads(text)["sha256"]
            made = made.replace(old, hashlib.sha256(content).hexdigest())
            (folder / ARRAYS).write_bytes(content)
            (folder / MANIFEST).write_text(made, "utf-8")
            sums = [(made.encode(), MANIFEST), (content, ARRAYS)]
            lines = [f"{hashlib.sha256(part).hexdigest()}  {name}\n" for part, name in sums]
            (folder / SUMS).write_text("".join(lines))
            return load_bundle(folder)

        return case

    def edited(edit: Callable[[dict[str, Any]], object]) -> str:
        manifest = json.loads(text)
        edit(manifest)
        return json.dumps(manifest)

    def member(content: bytes) -> bytes:
        return _zip(members | {first: content})

    def linked(place: Path) -> object:
        folder = place / "bundle"
        shutil.copytree(sound, folder)
        (folder / ARRAYS).unlink()
        (folder / ARRAYS).symlink_to("/dev/zero")
        return load_bundle(folder)

    def pipe(place: Path) -> object:
        folder = place / "bundle"
        shutil.copytree(sound, folder)
        (folder / MANIFEST).unlink()
        os.mkfifo(folder / MANIFEST)
        return load_bundle(folder)

    def climbing(place: Path) -> object:
        folder = place / "models"
        folder.mkdir()
        pair = {"bundle": "../" * 6 + "tmp", "previous": ""}
        (folder / "champions.json").write_text(json.dumps({"wells": {"a": pair}, "sha256": ""}))
        return Champions(folder).table()

    bomb, evil = pickle.dumps(Bomb(canary)), f"__import__('os').system('touch {canary}')"
    inner = json.loads(text)["forecaster"]
    deep: Any = {}
    for _ in range(400):
        deep = {"kind": "linear", "parts": [deep]}
    return {
        "pickle for an array": read(arrays=member(bomb)),
        "array of objects": read(
            arrays=member(_npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", bomb))
        ),
        "header that is a call": read(arrays=member(_npy(evil))),
        "dtype that is a call": read(
            arrays=member(_npy(f"{{'descr': {evil}, 'fortran_order': False, 'shape': (1,)}}"))
        ),
        "kind that is a module": read(edited(lambda m: m["forecaster"].update(kind="os.system"))),
        "kind of builtins": read(edited(lambda m: m["forecaster"].update(kind="eval"))),
        "inner kind that is a call": read(
            edited(lambda m: m["forecaster"]["forecaster"].update(kind=evil))
        ),
        "pickle for a manifest": read(bomb.decode("latin1")),
        "tags of YAML": read(f"!!python/object/apply:os.system ['touch {canary}']"),
        "zip of zeros": read(arrays=_zip({first: b"\0" * 2**28}, compression=zipfile.ZIP_DEFLATED)),
        "shape of 2**60": read(
            edited(lambda m: m["arrays"][first[:-4]].update(shape=[2**60])),
            member(_npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**60},)}}")),
        ),
        "shape that overflows": read(
            edited(lambda m: m["arrays"][first[:-4]].update(shape=[2**32, 2**32]))
        ),
        "text of 2**40 characters": read(
            edited(lambda m: m["arrays"][first[:-4]].update(dtype=f"<U{2**30}", shape=[2**10]))
        ),
        "member above the folder": read(arrays=_zip(members | {"../../evil.npy": b"1"})),
        "member at the root": read(arrays=_zip(members | {f"{canary}.npy": b"1"})),
        "LZMA that is broken": read(
            arrays=_zip(members, compression=zipfile.ZIP_LZMA)[:-900] + b"\0" * 900
        ),
        "nested too deep": read('{"format": ' * 30000 + "1" + "}" * 30000),
        "parts in parts": read(edited(lambda m: m["forecaster"].update(forecaster=deep))),
        "number of 10,000 digits": read(text.replace('"horizon": ', f'"horizon": {"9" * 9999}', 1)),
        "horizon of 10**12": read(edited(lambda m: m["forecaster"].update(horizon=10**12))),
        "manifest of 5 MB": read(edited(lambda m: m.update(card="x" * 5 * 2**20))),
        "manifest that is a list": read(json.dumps([inner])),
        "numbers that are NaN": read(
            arrays=_zip(
                {n: c.replace(c[-8:], struct.pack("<d", np.nan)) for n, c in members.items()}
            )
        ),
        "arrays that are a device": linked,
        "manifest that is a pipe": pipe,
        "champion above the folder": climbing,
    }


def stores(canary: Path) -> dict[str, Callable[[Path], object]]:
    """Return cases that make a hostile store or file of observations and read it."""
    from gwforecast.data.layouts.records import parse_xml
    from gwforecast.data.readers import read_observations
    from gwforecast.data.stores import read_store

    def hdf5(make: Callable[[h5py.File], object]) -> Callable[[Path], object]:
        def case(place: Path) -> object:
            secret = place / "secret.h5"
            with h5py.File(secret, "w") as other:
                other["level"] = np.ones((1, 3))
            with h5py.File(place / "levels.nc", "w") as file:
                make(file)
            return read_store(place / "levels.nc")

        return case

    def loop(file: h5py.File) -> None:
        file.create_group("a")["again"] = file["/"]

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((1, 3), dtype="f8")
        layout[0] = h5py.VirtualSource("secret.h5", "level", (1, 3))[0]
        file.create_virtual_dataset("level", layout)

    def outside(file: h5py.File) -> None:
        file.create_dataset("level", (3,), "f8", external=[("/etc/hostname", 0, 24)])

    def huge(file: h5py.File) -> None:
        file.create_dataset("level", (2**40, 2**10), "f8", chunks=(1, 1024))
        file.create_dataset("time", (2**10,), "f8")
        for name in ("well", "time"):
            file["level"].dims[0 if name == "well" else 1].label = name

    def zarr(metadata: dict[str, Any], name: str = ".zarray") -> Callable[[Path], object]:
        def case(place: Path) -> object:
            folder = place / "levels.zarr"
            (folder / "level").mkdir(parents=True)
            (folder / ".zgroup").write_text('{"zarr_format": 2}')
            base = {
                "zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "order": "C",
                "fill_value": None, "compressor": None, "filters": None,
            }  # fmt: skip
            (folder / "level" / name).write_text(json.dumps(base | metadata))
            (folder / "level" / ".zattrs").write_text('{"_ARRAY_DIMENSIONS": ["time"]}')
            (folder / "level" / "0").write_bytes(pickle.dumps(Bomb(canary)))
            return read_store(folder)

        return case

    def zarr_link(place: Path) -> object:
        folder = place / "levels.zarr"
        folder.mkdir()
        (folder / ".zgroup").write_text('{"zarr_format": 2}')
        (folder / "level").symlink_to("/etc")
        return read_store(folder)

    def text(content: str | bytes, name: str) -> Callable[[Path], object]:
        def case(place: Path) -> object:
            path = place / name
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            return parse_xml(path) if name.endswith(".xml") else read_observations(path)

        return case

    def backup(members: dict[str, bytes]) -> Callable[[Path], object]:
        def case(place: Path) -> object:
            sums = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
            head = {"entries": 0, "seal": "", "issue_time": ""}
            manifest = json.dumps({"made": "", "head": head, "files": sums})
            (place / "b.zip").write_bytes(_zip(members | {"manifest.json": manifest.encode()}))
            return restore(
                place / "b.zip", archive=place / "a", models=place / "m", now=pd.Timestamp(0)
            )

        return case

    entity = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><TimeSeries>&e;</TimeSeries>'
    laughs = "".join(f'<!ENTITY a{k + 1} "{f"&a{k};" * 10}">' for k in range(9))
    sheet = _zip({"xl/workbook.xml": b"<x/>", "[Content_Types].xml": b"<x/>"})
    flood = _zip({"xl/workbook.xml": b"\0" * 2**28}, compression=zipfile.ZIP_DEFLATED)
    return {
        "link to another file": hdf5(
            lambda f: f.__setitem__("level", h5py.ExternalLink("secret.h5", "/level"))
        ),
        "soft link": hdf5(lambda f: f.__setitem__("level", h5py.SoftLink("/nowhere"))),
        "loop of groups": hdf5(loop),
        "virtual data": hdf5(virtual),
        "external data": hdf5(outside),
        "shape of 2**50": hdf5(huge),
        "pickle filter": zarr({"filters": [{"id": "pickle"}]}),
        "unknown codec": zarr({"compressor": {"id": "exec"}}),
        "pickle within a codec": zarr(
            {"codecs": [{"name": "sharding_indexed", "configuration": {
                "codecs": [{"name": "numcodecs.pickle"}]}}]},
            "zarr.json",
        ),
        "metadata of 5 MB": zarr({"x": "x" * 5 * 2**20}),
        "Zarr with a link": zarr_link,
        "entity of a file": text(entity, "levels.xml"),
        "a billion laughs": text(
            f'<!DOCTYPE x [<!ENTITY a0 "ha">{laughs}]><TimeSeries>&a9;</TimeSeries>', "levels.xml"
        ),
        "pickle named .csv": text(pickle.dumps(Bomb(canary)), "levels.csv"),
        "pickle named .nc": text(pickle.dumps(Bomb(canary)), "levels.nc"),
        "workbook of nothing": text(sheet, "levels.xlsx"),
        "workbook of zeros": text(flood, "levels.xlsx"),
        "backup above the folder": backup({"../evil": b"1"}),
        "backup with a drive": backup({"archive/C:\\evil": b"1"}),
        "backup of a catalogue of text": backup({"archive/catalogue.sqlite": b"x" * 4096}),
    }  # fmt: skip


def _refused(case: Callable[[Path], object], place: Path) -> str:
    """Run a case in a fork; return an empty text if it is refused, else what happened."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        os.chdir(place)
        try:
            case(place)
            said = "was read"
        except REFUSALS:
            said = ""
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"[:200]
        (place / "said").write_text(said)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        return f"ended with {os.waitstatus_to_exitcode(status)}"
    return (place / "said").read_text()


def run(folder: Path) -> Row:
    """Read each hostile bundle, store and file; all must be refused."""
    champions = Champions(folder / "models")
    sound = champions.path(next(iter(champions.table().values())).bundle)
    load_bundle(sound)
    canary, wrong = folder / "executed", 0
    cases = {**bundles(sound, canary), **stores(canary)}
    for number, (name, case) in enumerate(cases.items()):
        place = folder / "hostile" / str(number) / "deep" / "down"
        place.mkdir(parents=True)
        said = _refused(case, place)
        evil = [path for path in (folder / "hostile").rglob("evil*") if path.is_file()]
        if said or canary.exists() or evil:
            print("wrong:", name, said, "executed" if canary.exists() else "", evil, flush=True)
            wrong += 1
        canary.unlink(missing_ok=True)
    wrong += bool(list(folder.glob("executed*")))
    return f"{len(cases)} hostile files", len(cases), wrong, "refused, and none executed"
