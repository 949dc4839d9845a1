from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.fetch import unpack

KINDS = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE,
         "fifo": tarfile.FIFOTYPE, "device": tarfile.CHRTYPE}  # fmt: skip
Entry = tuple[str, str, str]  # kind, name, target or content


def write_tar(path: Path, entries: list[Entry], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for kind, name, rest in entries:
            info = tarfile.TarInfo(name)
            info.type = KINDS[kind]
            info.size = len(rest) if kind == "file" else 0
            info.linkname = rest if kind.endswith("link") else ""
            tar.addfile(info, io.BytesIO(rest.encode()) if kind == "file" else None)
    return path


def write_zip(path: Path, entries: list[Entry]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for kind, name, rest in entries:
            info = zipfile.ZipInfo(name + "/" * (kind == "folder"))
            modes = {"symlink": stat.S_IFLNK, "fifo": stat.S_IFIFO, "folder": stat.S_IFDIR}
            info.external_attr = (modes.get(kind, stat.S_IFREG) | 0o644) << 16
            file.writestr(info, rest)
    return path


def content(folder: Path) -> dict[str, str]:
    """Path below the folder to text, of every file."""
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


PLAIN: list[Entry] = [("folder", "a", ""), ("file", "a/one.txt", "1"), ("file", "b/c/two.txt", "22" * 999)]


@pytest.mark.parametrize(
    ("name", "mode"),
    [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.TGZ", "w:gz"), ("x.tar.bz2", "w:bz2"), ("x.txz", "w:xz"), ("x.zip", "")],
)
def test_every_kind_is_unpacked(tmp_path: Path, name: str, mode: str) -> None:
    archive = write_tar(tmp_path / name, PLAIN, mode) if mode else write_zip(tmp_path / name, PLAIN)
    folder = unpack(archive, tmp_path / "new" / "folder")
    assert content(folder) == {"a/one.txt": "1", "b/c/two.txt": "22" * 999}
    assert [p.name for p in folder.parent.iterdir()] == ["folder"]


def test_a_compressed_file_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "train.idx.gz").write_bytes(gzip.compress(b"pixels"))
    assert content(unpack(tmp_path / "train.idx.gz", tmp_path / "out")) == {"train.idx": "pixels"}


def test_several_archives_share_a_folder(tmp_path: Path) -> None:
    unpack(write_tar(tmp_path / "1.tar", PLAIN), tmp_path / "out")
    (tmp_path / "out" / "own.txt").write_text("mine")
    more: list[Entry] = [("file", "a/one.txt", "new"), ("file", "b/three.txt", "3"), ("folder", "d/e", "")]
    folder = unpack(write_zip(tmp_path / "2.zip", more), tmp_path / "out")
    expected = {"a/one.txt": "new", "b/three.txt": "3", "b/c/two.txt": "22" * 999, "own.txt": "mine"}
    assert content(folder) == expected
    assert (folder / "d" / "e").is_dir()


def test_permissions_are_those_of_new_files(tmp_path: Path) -> None:
    folder = unpack(write_tar(tmp_path / "1.tar", PLAIN), tmp_path / "out")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "file").touch()
    for made, plain in ((folder, "plain"), (folder / "a", "plain"), (folder / "a" / "one.txt", "plain/file")):
        assert made.stat().st_mode == (tmp_path / plain).stat().st_mode


def test_links_that_stay_inside_are_kept(tmp_path: Path) -> None:
    entries: list[Entry] = [
        ("file", "a/one.txt", "1"), ("symlink", "b/up.txt", "../a/one.txt"), ("symlink", "folder", "./a"),
        ("hardlink", "b/same.txt", "a/one.txt"), ("symlink", "top", "."),
    ]  # fmt: skip
    folder = unpack(write_tar(tmp_path / "x.tar", entries), tmp_path / "out")
    assert {name: (folder / name).read_text() for name in ("b/up.txt", "folder/one.txt", "b/same.txt")} == {
        "b/up.txt": "1", "folder/one.txt": "1", "b/same.txt": "1"
    }  # fmt: skip
    linked = unpack(write_zip(tmp_path / "x.zip", entries[:2]), tmp_path / "zipped")
    assert os.readlink(linked / "b" / "up.txt") == "../a/one.txt"


ESCAPES: list[list[Entry]] = [
    [("file", "../evil", "x")],
    [("file", "a/../../evil", "x")],
    [("file", "/evil", "x")],
    [("folder", "../evil", "")],
    [("symlink", "l", "/etc")],
    [("symlink", "l", "..")],
    [("symlink", "d/l", "../../evil")],
    [("symlink", "d/l", "b/../../..")],
    [("symlink", "l", "."), ("file", "l/evil", "x")],
    [("symlink", "l", "."), ("folder", "l", "")],
    [("symlink", "m", "l/l/../.."), ("symlink", "l", ".")],
]
TAR_ESCAPES: list[list[Entry]] = [
    [("hardlink", "l", "../evil")],
    [("hardlink", "l", "/etc/passwd")],
    [("symlink", "l", "p"), ("hardlink", "m", "l")],
    [("file", "d/f", "x"), ("symlink", "l", "d"), ("hardlink", "m", "l/f")],
    [("device", "l", "")],
    [("fifo", "l", "")],
]


@pytest.mark.parametrize("entries", [[*PLAIN, *escape] for escape in ESCAPES + TAR_ESCAPES])
@pytest.mark.parametrize("there", [True, False])
def test_what_escapes_is_refused_and_nothing_is_left(tmp_path: Path, entries: list[Entry], there: bool) -> None:
    out = tmp_path / "in" / "out"
    if there:
        out.mkdir(parents=True)
        (out / "own.txt").write_text("mine")
    with pytest.raises(HarnessError, match=r"x\.tar: its (member|link) .*: refused"):
        unpack(write_tar(tmp_path / "x.tar", entries), out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "x.tar"]
    assert [p.name for p in out.parent.iterdir()] == (["out"] if there else [])
    assert not there or content(out) == {"own.txt": "mine"}


@pytest.mark.parametrize("entries", [*ESCAPES, [("fifo", "a", "")]])
def test_zips_are_held_to_the_same(tmp_path: Path, entries: list[Entry]) -> None:
    with pytest.raises(HarnessError, match=r"x\.zip: its (member|link) .*: refused"):
        unpack(write_zip(tmp_path / "x.zip", entries), tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["x.zip"]


NAMES = st.lists(st.sampled_from(["a", "b", "c", "..", ".", ""]), max_size=4).map("/".join)
ENTRIES = st.lists(st.tuples(st.sampled_from(["file", "folder", "symlink", "hardlink"]), NAMES, NAMES), max_size=6)


@given(st.lists(ENTRIES, min_size=1, max_size=2))
@settings(max_examples=200, deadline=None)
def test_nothing_ever_leads_outside(archives: list[list[Entry]]) -> None:
    with TemporaryDirectory() as temporary:
        outside = Path(temporary).resolve()
        out = outside / "deep" / "er" / "out"
        for entries in archives:
            with open(outside / "x.tar", "wb"):
                write_tar(outside / "x.tar", entries)
            try:
                unpack(outside / "x.tar", out)
            except HarnessError:
                continue
            # one writes through a link when what it leads to is opened: all that exists must lead inside
            assert all(Path(os.path.realpath(p)).is_relative_to(out) for p in out.rglob("*"))
        assert {p.name for p in outside.iterdir()} <= {"x.tar", "deep"}
        assert {p.name for p in (outside / "deep").rglob("*") if not p.is_relative_to(out)} <= {"er"}


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_truncated_archive_is_an_error(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["x.tar", "x.tar.gz", "x.tar.bz2", "x.tar.xz", "x.zip", "x.gz"]))
    with TemporaryDirectory() as temporary:
        archive = Path(temporary, kind)
        if kind == "x.gz":
            archive.write_bytes(gzip.compress(os.urandom(500)))
        elif kind == "x.zip":
            write_zip(archive, PLAIN)
        else:
            write_tar(archive, PLAIN, {"x.tar": "w"}.get(kind, f"w:{kind.rpartition('.')[2]}"))
        whole = archive.read_bytes()
        end = 512 * 6 if kind == "x.tar" else len(whole)  # what follows a tar's first block of zeros is padding
        archive.write_bytes(whole[: data.draw(st.integers(0, end - 1))])
        with pytest.raises(HarnessError, match=r"x\.\S+: (truncated or damaged|cannot be unpacked).*fetch it again"):
            unpack(archive, Path(temporary, "out"))
        assert [p.name for p in Path(temporary).iterdir()] == [kind]


def test_a_damaged_member_is_an_error(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "x.tar", PLAIN)
    whole = bytearray(archive.read_bytes())
    whole[512 + 100] ^= 1  # in the header of the second member
    archive.write_bytes(whole)
    with pytest.raises(HarnessError, match="truncated or damaged"):
        unpack(archive, tmp_path / "out")
    zipped = write_zip(tmp_path / "x.zip", [("file", "a", "x" * 100)])
    whole = bytearray(zipped.read_bytes())
    whole[32] ^= 1
    zipped.write_bytes(whole)
    with pytest.raises(HarnessError, match="truncated or damaged"):
        unpack(zipped, tmp_path / "out")


def test_what_is_in_the_way_is_named_before_anything_moves(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "b").mkdir(parents=True)
    (out / "b" / "c").touch()
    with pytest.raises(HarnessError, match=r"out/b/c is in the way: remove it"):
        unpack(write_tar(tmp_path / "x.tar", PLAIN), out)
    assert content(out) == {"b/c": ""}


def test_two_may_unpack_into_a_new_folder_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, rename = tmp_path / "out", os.rename
    other = write_tar(tmp_path / "other.tar", [("file", "a/other.txt", "2"), ("file", "a/one.txt", "old")])

    def late(source: Path, target: Path) -> None:
        monkeypatch.setattr(os, "rename", rename)
        unpack(other, out)
        rename(source, target)

    monkeypatch.setattr(os, "rename", late)
    unpack(write_tar(tmp_path / "x.tar", PLAIN), out)
    assert content(out) == {"a/one.txt": "1", "a/other.txt": "2", "b/c/two.txt": "22" * 999}


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"a\.rar: not an archive: expected \.tar"):
        unpack(tmp_path / "a.rar", tmp_path / "out")
    with pytest.raises(HarnessError, match=r"absent\.zip: cannot be unpacked: FileNotFoundError"):
        unpack(tmp_path / "absent.zip", tmp_path / "out")
