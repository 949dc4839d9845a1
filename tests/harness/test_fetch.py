from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from files_server import Server, serving

import harness.fetch
from harness.errors import HarnessError
from harness.fetch import Wanted, fetch, require_network

CONTENT = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "HARNESS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        server.files["/file.bin"] = CONTENT
        yield server


def left(path: Path) -> list[str]:
    """The names in a file's folder."""
    return sorted(p.name for p in path.parent.iterdir())


@pytest.mark.parametrize("digest", ["", SHA256, f"sha256:{SHA256.upper()}", SHA256[:8], f"md5:{MD5}"])
def test_a_file_arrives_whole_and_alone(server: Server, tmp_path: Path, digest: str) -> None:
    path = tmp_path / "new" / "file.bin"
    told: list[tuple[int, int | None]] = []
    assert fetch(server.url(), path, digest, len(CONTENT), lambda *at: told.append(at)) == path
    assert path.read_bytes() == CONTENT
    assert left(path) == ["file.bin"]
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [at for at, _ in told] == sorted({at for at, _ in told})


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    told: list[int] = []
    for digest, size in (("", None), (SHA256, len(CONTENT))):
        fetch(server.url(), path, digest, size, lambda at, total: told.append(at))
    assert server.requests == []
    assert told == []


def test_what_is_there_and_wrong_is_replaced_only_by_what_is_right(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with pytest.raises(HarnessError, match="not 00000000 as declared"):
        fetch(server.url(), path, "0" * 8)
    assert path.read_bytes() == b"old"
    fetch(server.url(), path, SHA256)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("digest", ["", SHA256])
@pytest.mark.parametrize("tagged", [True, False])
def test_a_cut_transfer_goes_on_where_it_was(server: Server, tmp_path: Path, digest: str, tagged: bool) -> None:
    server.cuts, server.tagged = [100_000, 50_000], tagged
    assert fetch(server.url(), tmp_path / "file.bin", digest).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_call_resumes_and_says_so_before(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    server.cuts = [100_000, 0]
    with pytest.raises(HarnessError, match=r"broke after 100,000 of 300,000 bytes: try again \(what has arrived is"):
        fetch(server.url(), path)
    assert left(path) == ["file.bin.part", "file.bin.part.tag"]
    assert fetch(server.url(), path).read_bytes() == CONTENT
    assert server.requests[-1] == ("/file.bin", "bytes=100000-")
    assert left(path) == ["file.bin"]


@pytest.mark.parametrize("ranges", [False, "stale"])
def test_a_server_that_cannot_resume_is_asked_for_all(server: Server, tmp_path: Path, ranges: bool | str) -> None:
    server.ranges = ranges
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:1000])
    assert fetch(server.url(), tmp_path / "file.bin", SHA256).read_bytes() == CONTENT
    server.cuts = [1000]
    assert fetch(server.url(), tmp_path / "b.bin").read_bytes() == CONTENT


def test_a_part_without_digest_or_tag_is_not_trusted(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(b"x" * 1000)
    assert fetch(server.url(), tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.requests == [("/file.bin", None)]


def test_a_file_that_changed_is_fetched_from_the_beginning(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    path.with_name("file.bin.part").write_bytes(b"x" * 1000)  # of another file: only the digest can tell
    assert fetch(server.url(), path, SHA256).read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == ["bytes=1000-", None]

    server.files["/file.bin"], server.cuts = b"y" * 5000, [2000, 0]
    with pytest.raises(HarnessError, match="broke"):
        fetch(server.url(), tmp_path / "b.bin")
    server.files["/file.bin"] = b"z" * 5000  # the tag tells
    assert fetch(server.url(), tmp_path / "b.bin").read_bytes() == b"z" * 5000


@pytest.mark.parametrize("extra", [0, 10])
def test_a_part_no_shorter_than_the_file(server: Server, tmp_path: Path, extra: int) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT + b"x" * extra)
    assert fetch(server.url(), tmp_path / "file.bin", SHA256).read_bytes() == CONTENT
    assert len(server.requests) == (2 if extra else 1)


def test_a_wrong_digest_leaves_nothing(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    with pytest.raises(HarnessError, match=f"file.bin has the sha256 digest {SHA256}, not {'1' * 64} as declared"):
        fetch(server.url(), path, "1" * 64)
    assert left(path) == []


def test_a_wrong_length_is_seen_before_the_transfer(server: Server, tmp_path: Path) -> None:
    told: list[int] = []
    with pytest.raises(HarnessError, match="has 300,000 bytes, not 299,999 as declared"):
        fetch(server.url(), tmp_path / "file.bin", size=299_999, progress=lambda at, total: told.append(at))
    assert told == []


def test_a_server_that_promises_more_than_it_sends(server: Server, tmp_path: Path) -> None:
    server.stated_length, server.ranges, server.tagged = len(CONTENT) + 7, False, True
    with pytest.raises(HarnessError, match="broke after 300,000 of 300,007 bytes"):
        fetch(server.url(), tmp_path / "file.bin")
    assert not (tmp_path / "file.bin").exists()


@pytest.mark.parametrize(("status", "said"), [(404, "HTTP 404 Not Found"), (500, "HTTP 500 Internal Server Error")])
def test_http_errors_say_where_the_file_must_go(server: Server, tmp_path: Path, status: int, said: str) -> None:
    server.status = status
    path = tmp_path / "file.bin"
    with pytest.raises(HarnessError, match=rf"cannot fetch {server.url()}: {said}: fetch it .* put it at {path}"):
        fetch(server.url(), path)


def test_no_connection_says_where_the_file_must_go(tmp_path: Path) -> None:
    with serving() as server:
        url = server.url()
    with pytest.raises(HarnessError, match=r"refused.*offline, fetch it elsewhere and put it at .*file\.bin"):
        fetch(url, tmp_path / "file.bin")
    assert left(tmp_path / "file.bin") == []


def test_silence_is_not_waited_for(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.fetch, "TIMEOUT", 0.05)
    server.cuts, server.pause = [1000, 0], 0.3
    with pytest.raises(HarnessError, match="timed out: try again"):
        fetch(server.url(), tmp_path / "file.bin")
    assert (tmp_path / "file.bin.part").stat().st_size == 1000


def test_redirects_are_followed(server: Server, tmp_path: Path) -> None:
    server.redirects["/old"] = "/file.bin"
    assert fetch(server.url("/old"), tmp_path / "file.bin", SHA256).read_bytes() == CONTENT


def test_a_web_page_is_no_file_unless_a_digest_says_so(server: Server, tmp_path: Path) -> None:
    server.kind = "text/html; charset=utf-8"
    with pytest.raises(HarnessError, match=r"a web page, not a file: fetch it in a browser to .*/file\.bin$"):
        fetch(server.url(), tmp_path / "file.bin")
    assert fetch(server.url(), tmp_path / "file.bin", SHA256).read_bytes() == CONTENT


def test_names_of_any_script(server: Server, tmp_path: Path) -> None:
    server.files["/na%C3%AFve%20file.bin"] = CONTENT
    assert fetch(server.url("/naïve file.bin"), tmp_path / "a", SHA256).is_file()
    assert fetch(server.url("/na%C3%AFve%20file.bin"), tmp_path / "b", SHA256).is_file()


def test_proxies_come_from_the_environment(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.files["/a"] = CONTENT
    monkeypatch.setenv("http_proxy", server.url(""))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    fetch("http://example.invalid/a", tmp_path / "a", SHA256)
    assert server.requests == [("http://example.invalid/a", None)]


def test_file_urls_are_copied_even_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    (tmp_path / "here").write_bytes(CONTENT)
    assert fetch((tmp_path / "here").as_uri(), tmp_path / "there", SHA256).read_bytes() == CONTENT
    with pytest.raises(HarnessError, match=r"cannot fetch file:///nowhere.*No such file"):
        fetch("file:///nowhere", tmp_path / "nothing")


def test_offline_nothing_is_asked_for(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    with pytest.raises(HarnessError, match=r"HARNESS_OFFLINE is set: fetch http://.* and put it at .*file\.bin"):
        fetch(server.url(), tmp_path / "file.bin")
    assert server.requests == []
    monkeypatch.setenv("HARNESS_OFFLINE", "0")
    require_network("it", tmp_path)


@pytest.mark.parametrize("url", ["ftp://example.org/a", "data:,a", "just a name"])
def test_other_schemes_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(HarnessError, match="only http, https and file"):
        fetch(url, tmp_path / "a")


@pytest.mark.parametrize("digest", ["abc", "sha1:" + "0" * 40, "md5:00000000", "xyzxyzxyz", "0" * 65])
def test_a_malformed_digest_is_an_error(tmp_path: Path, digest: str) -> None:
    with pytest.raises(HarnessError, match="no digest"):
        fetch("http://127.0.0.1/", tmp_path / "a", digest)


def test_dropbox_is_asked_for_the_file() -> None:
    direct = harness.fetch._direct
    assert direct("https://www.dropbox.com/sh/a/b.pth") == "https://www.dropbox.com/sh/a/b.pth?dl=1"
    assert direct("https://www.dropbox.com/s/b.pth?rlkey=1&dl=0") == "https://www.dropbox.com/s/b.pth?rlkey=1&dl=1"
    assert direct("https://example.org/dropbox.com?dl=0") == "https://example.org/dropbox.com?dl=0"


def test_a_folder_that_cannot_be_made_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(HarnessError, match=r"taken.*mend that first"):
        fetch(server.url(), tmp_path / "taken" / "file.bin")


@pytest.fixture
def together() -> Callable[[int, Callable[[], object]], None]:
    """Runs a function in several threads at once; what one raises fails the test."""

    def run(n: int, function: Callable[[], object]) -> None:
        raised: list[BaseException] = []

        def guarded() -> None:
            try:
                function()
            except BaseException as error:
                raised.append(error)

        threads = [threading.Thread(target=guarded) for _ in range(n)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert raised == []

    return run


def test_of_several_at_once_one_downloads(
    server: Server, tmp_path: Path, together: Callable[[int, Callable[[], object]], None]
) -> None:
    server.pause = 0.05
    together(6, lambda: fetch(server.url(), tmp_path / "file.bin", SHA256))
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert left(tmp_path / "file.bin") == ["file.bin"]


def test_the_kinds_of_digest() -> None:
    assert Wanted.read(f"md5:{MD5}") == Wanted("md5", MD5, None)
    assert Wanted.read(SHA256, 3) == Wanted("sha256", SHA256, 3)
    assert Wanted.read("").fault(Path("/nowhere")) == "is not there"
