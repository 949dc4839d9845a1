from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from files_server import serving

from harness.errors import HarnessError
from harness_models.sources import checkpoint_folder, fetched, fetcher, from_hugging_face, locate

URL = "https://example.org/a/my%20net.pth?download=1"


def test_a_url_is_its_basename_in_the_checkpoint_folder(checkpoints: Path) -> None:
    assert locate(URL) == checkpoints / "my net.pth"


def test_the_folder_defaults_to_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_CHECKPOINTS", raising=False)
    assert checkpoint_folder() == Path("~/.cache/harness/checkpoints").expanduser()


def test_an_unfetched_url_says_where_to_put_the_file(checkpoints: Path) -> None:
    with pytest.raises(HarnessError, match=r"not on this machine: fetch it to .*my net\.pth"):
        fetched(URL)
    (checkpoints / "my net.pth").touch()
    assert fetched(URL) == checkpoints / "my net.pth"


def test_a_path_must_exist(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"no checkpoint file .*absent"):
        locate(str(tmp_path / "absent.pth"))


def test_what_is_a_file_is_never_fetched(tmp_path: Path) -> None:
    assert fetcher(str(tmp_path / "a.pth"), tmp_path / "a.pth") is None


def test_a_url_is_fetched_to_its_place(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_OFFLINE", raising=False)
    content = b"weights" * 100
    with serving() as server:
        server.files["/a/net.pth"] = content
        url = server.url("/a/net.pth?download=1")
        told: list[int] = []
        get = fetcher(url, locate(url), hashlib.sha256(content).hexdigest()[:8])
        assert get(lambda done, total: told.append(done)) == fetched(url) == checkpoints / "net.pth"
        assert told == [len(content)]
        with pytest.raises(HarnessError, match="not 00000000 as declared"):
            fetcher(url, checkpoints / "other.pth", "0" * 8)(lambda done, total: None)


@pytest.mark.parametrize("source", ["BYOL.pkl", "https://example.org/behind-a-page"])
def test_what_no_url_gives_says_how_to_obtain_it(checkpoints: Path, source: str) -> None:
    get = fetcher(source, checkpoints / "net.pth", obtain="convert it with such a tool")
    with pytest.raises(HarnessError, match=r"cannot be fetched to .*net\.pth by itself: convert it with such a tool"):
        get(lambda done, total: None)
    (checkpoints / "net.pth").touch()
    assert get(lambda done, total: pytest.fail("it is there")) == checkpoints / "net.pth"


def test_hugging_faces_library_fetches_from_its_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None, list[str]]] = []

    def download(repository: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repository, revision, allow_patterns))
        if repository == "no/such":
            raise OSError("404: no such repository")
        (tmp_path / "a").write_bytes(b"123")
        return str(tmp_path)

    monkeypatch.delenv("HARNESS_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    told: list[tuple[int, int | None]] = []
    found = from_hugging_face("who/net", ("a", "b*"), Path("instead"), lambda *at: told.append(at), "v1")
    assert (found, asked, told) == (tmp_path, [("who/net", "v1", ["a", "b*"])], [(3, 3)])
    with pytest.raises(HarnessError, match=r"cannot fetch no/such from .* hub \(or put it at instead\): OSError: 404"):
        from_hugging_face("no/such", ("a",), Path("instead"), lambda *at: None)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "https://example.org/..",
        "https://example.org/a/%2e%2e",
        "https://example.org/a%2F..",
        "https://example.org/net%00.pth",
    ],
)
def test_a_url_without_a_basename_names_no_file(checkpoints: Path, url: str) -> None:
    with pytest.raises(HarnessError, match="is no name of a checkpoint file"):
        locate(url)


@pytest.mark.parametrize("url", ["https://example.org/..%2F..%2Fx.pth", "https://example.org/%2Fetc%2Fx.pth"])
def test_no_url_leads_out_of_the_checkpoint_folder(checkpoints: Path, url: str) -> None:
    assert locate(url) == checkpoints / "x.pth"
