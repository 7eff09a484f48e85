"""``gwforecast datasets`` in a real process, against a real server on this machine."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gwforecast.data.samples import fetch_public, list_public

FILES = {"gw/a.csv": b"Date,GWL\n01.01.2001,4.5\n", "notes on it.txt": b"two words\n"}


class _Handler(http.server.SimpleHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def home(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server, and the folder whose files it gives."""
    folder = tmp_path / "home"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    _Handler.asked = []
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    path = tmp_path / "registry.txt"
    lines = [f"{name} sha256:{hashlib.sha256(content).hexdigest()}"
             for name, content in FILES.items()]  # fmt: skip
    path.write_text("# name and sum\n" + "\n".join(lines) + "\n", "utf-8")
    return path


def test_a_set_is_fetched_once_and_verified(home, registry, tmp_path, gwforecast) -> None:
    address, _ = home
    call = ("datasets", "gems-ger", "--home", address, "--registry", registry, "--to", "got")
    done = gwforecast(*call, cwd=tmp_path)
    assert "2 files, all verified: got" in done.stdout
    assert done.stderr == ""
    for name, content in FILES.items():
        assert (tmp_path / "got" / name).read_bytes() == content
    asked = len(_Handler.asked)
    gwforecast(*call, cwd=tmp_path)
    assert len(_Handler.asked) == asked, "what is there is not fetched again"


def test_a_file_that_was_changed_is_refused_and_not_kept(
    home, registry, tmp_path, gwforecast
) -> None:
    address, folder = home
    (folder / "gw" / "a.csv").write_bytes(FILES["gw/a.csv"][:-3])
    call = ("datasets", "kit", "--home", address, "--registry", registry, "--to", "got")
    done = gwforecast(*call, cwd=tmp_path, code=2)
    assert "gw/a.csv" in done.stderr
    assert "was changed or is incomplete" in done.stderr
    assert not [path for path in (tmp_path / "got").rglob("*") if path.is_file()]
    (folder / "gw" / "a.csv").write_bytes(FILES["gw/a.csv"])
    gwforecast(*call, cwd=tmp_path)


def test_what_the_user_has_is_never_written_over(home, registry, tmp_path) -> None:
    address, _ = home
    mine = tmp_path / "got" / "gw" / "a.csv"
    mine.parent.mkdir(parents=True)
    mine.write_text("my notes")
    with pytest.raises(FileExistsError, match=r"a\.csv, which has other content.*Move it away"):
        fetch_public("kit", tmp_path / "got", home=address, registry=registry)
    assert mine.read_text() == "my notes"


@pytest.mark.parametrize("link", ["gw", "gw/a.csv"])
def test_nothing_is_written_through_a_link(home, registry, tmp_path, link: str) -> None:
    address, _ = home
    outside = tmp_path / "outside"
    outside.mkdir()
    path = tmp_path / "got" / link
    path.parent.mkdir(parents=True)
    path.symlink_to(outside if link == "gw" else outside / "a.csv")
    with pytest.raises(FileExistsError, match="written through a link"):
        fetch_public("kit", tmp_path / "got", home=address, registry=registry)
    assert list(outside.iterdir()) == []


def test_a_server_that_is_not_there_is_told(registry, tmp_path, gwforecast) -> None:
    call = ("datasets", "kit", "--home", "http://127.0.0.1:9", "--registry", registry)
    done = gwforecast(*call, cwd=tmp_path, code=2)
    assert "ConnectionError" in done.stderr
    assert "127.0.0.1:9/gw/a.csv" in done.stderr
    assert "files that exist are kept" in " ".join(done.stderr.split())


def test_a_file_that_is_missing_at_home_is_told(home, registry, tmp_path) -> None:
    address, folder = home
    (folder / "notes on it.txt").unlink()
    with pytest.raises(ConnectionError, match=r"HTTPError.*404"):
        fetch_public("kit", tmp_path / "got", home=address, registry=registry)
    assert (tmp_path / "got" / "gw" / "a.csv").exists()


@pytest.mark.parametrize("name", ["../outside.csv", "/etc/outside", "a/../../b"])
def test_a_registry_keeps_its_files_in_the_folder(home, tmp_path, name: str) -> None:
    registry = tmp_path / "registry.txt"
    registry.write_text(f"{name} {'0' * 64}\n")
    with pytest.raises(ValueError, match=r"stay in the folder.*line 1"):
        fetch_public("kit", tmp_path / "got", home=home[0], registry=registry)
    assert _Handler.asked == []


def test_sets_are_listed_with_licence_and_source(tmp_path, gwforecast) -> None:
    done = gwforecast("datasets", cwd=tmp_path)
    for word in ("challenge", "kit", "gems-ger", "MIT", "10.5194/hess-28-525-2024"):
        assert word in done.stdout
    with pytest.raises(ValueError, match=r"Received 'other'.*Choose one of challenge"):
        fetch_public("other", tmp_path)
    with pytest.raises(ValueError, match=r"sums are not known.*essd-2025-321"):
        fetch_public("gems-ger", tmp_path)


def test_the_sums_that_are_known_are_those_of_the_data_at_hand() -> None:
    data = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not data.is_dir():
        pytest.skip(f"the real data are not beside the repository: {data}")
    from gwforecast.data.samples import _listed

    for name, folder in (("challenge", "challenge"), ("kit", "germany_weekly")):
        for file, total in _listed("public.json")[name]["files"].items():
            assert hashlib.sha256((data / folder / file).read_bytes()).hexdigest() == total, file
    assert list_public().set_index("name").loc["kit", "files"] == 2 * 59 + 1
