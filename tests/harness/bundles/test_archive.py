"""What an archive may not hold; each is one clear line, and nothing is written."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_world import bundle_of, changed, first, members, snapshot, spoilt

from harness.bundles import archive
from harness.bundles.archive import opened
from harness.bundles.importing import BundleError, import_bundle
from harness.errors import HarnessError
from harness.plugins import Host


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return bundle_of(tmp_path)


def refused(bundle: Path, host: Host, message: str) -> None:
    """The bundle is refused in one line, and the folder stays empty."""
    out = bundle.parent / "out"
    with pytest.raises(BundleError, match=message) as caught:
        import_bundle(bundle, host, out)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert not out.exists()


def add(bundle: Path, name: str, content: bytes = b"{}", mode: int = stat.S_IFREG, method: int = 8) -> None:
    """Add a member that the manifest does not name."""
    with zipfile.ZipFile(bundle, "a") as file:
        info = zipfile.ZipInfo(name)
        info.external_attr, info.compress_type = (mode | 0o644) << 16, method
        file.writestr(info, content)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil.json", r"\.\./evil\.json would land outside the folder"),
        ("records/../../evil.json", "would land outside the folder"),
        ("records\\..\\..\\evil.json", "would land outside the folder"),
        ("/etc/evil.json", "would land outside the folder"),
        ("C:/evil.json", "would land outside the folder"),
        ("C:\\evil.json", "would land outside the folder"),
        ("\\\\server\\evil.json", "would land outside the folder"),
        ("records/a/b/", "is a folder"),
        ("evil.sh", "is no name that a bundle has"),
        ("records/a/b/.hidden.json", "is no name that a bundle has"),
        ("records/a/b/c/d.json", "is no name that a bundle has"),
        ("records/a/b/" + "x" * 10_000 + ".json", r"is no name that a bundle has"),
        ("records/a/b/\u202egnp.json", r"\\u202egnp\.json is no name that a bundle has"),
        ("records/a/b/c\nd.json", r"c\\nd\.json is no name"),
        ("predictions/abc.safetensors", "is no name that a bundle has"),
        ("records/a/b/c.json", "holds records/a/b/c.json, which its manifest does not name"),
    ],
)
def test_names_that_no_bundle_has(bundle: Path, host: Host, name: str, message: str) -> None:
    add(bundle, name)
    refused(bundle, host, message)


@pytest.mark.parametrize(
    ("mode", "message"),
    [(stat.S_IFLNK, "is a link"), (stat.S_IFIFO, "is a device or a pipe"), (stat.S_IFDIR, "is a folder")],
)
def test_what_is_no_file(bundle: Path, host: Host, mode: int, message: str) -> None:
    add(bundle, "records/a/b/c.json", b"/etc/passwd", mode)
    refused(bundle, host, rf"records/a/b/c\.json {message}")


def test_a_member_that_is_there_twice(bundle: Path, host: Host) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        add(bundle, first(bundle))
    refused(bundle, host, "is there twice")


def test_members_that_differ_in_capitals_alone(bundle: Path, host: Host) -> None:
    add(bundle, first(bundle).replace("tiny", "TINY"))
    refused(bundle, host, "is there twice but for capitals")


@pytest.mark.parametrize("name", ["records/con/b/c.json", "records/a/NUL.x/c.json", "records/a/b/Com1.json"])
def test_names_of_devices(bundle: Path, host: Host, name: str) -> None:
    add(bundle, name)
    refused(bundle, host, "has a name that some systems keep for a device")


def test_a_manifest_far_longer_than_its_members(bundle: Path, host: Host) -> None:
    """Compressed, two kilobytes could be gigabytes of objects."""
    filler = "".join(chr(97 + i * 7 % 26) + str(i * i) for i in range(1 << 17))
    spoilt(bundle, {"manifest.json": lambda data: data[:-2] + f', "x": "{filler}"}}'.encode()}, vouched=False)
    refused(bundle, host, r"manifest\.json would be [\d,]+ bytes, at most 1,0[\d,]+ are read with so many members")


def directory(data: bytearray, number: int = 0) -> int:
    """Where the entry of a member begins in the archive's directory."""
    at = -1
    for _ in range(number + 1):
        at = data.index(b"PK\x01\x02", at + 1)
    return at


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ((6, 8), b"\x63\0", "not a bundle, or cut off"),  # of a version to come
        ((8, 9), b"\x20", "is damaged"),  # patched data
        ((9, 10), b"\x08", "not a bundle, or cut off|is damaged|no name"),  # its name in UTF-8
        ((20, 24), b"\xff\xff\xff\x7f", "its members overlap: together they are longer than the file"),
        ((20, 28), b"\xff" * 8, "would be 4,294,967,295 bytes"),  # promises a zip64 field that is not there
        ((42, 46), b"\xff" * 4, "is damaged"),
        ((50, 51), b"\0", "is no name that a bundle has"),
    ],
)
def test_a_directory_that_lies(bundle: Path, host: Host, field: tuple[int, int], value: bytes, message: str) -> None:
    data = bytearray(bundle.read_bytes())
    at = directory(data)
    if field == (9, 10):
        data[at + 46] = 0xFF
    data[at + field[0] : at + field[1]] = value
    bundle.write_bytes(data)
    refused(bundle, host, message)


def test_a_name_that_differs_between_directory_and_member(bundle: Path, host: Host) -> None:
    data = bytearray(bundle.read_bytes())
    data[30] ^= 1
    bundle.write_bytes(data)
    refused(bundle, host, r"is damaged \(BadZipFile: File name in directory")


def test_two_names_of_one_member(bundle: Path, host: Host) -> None:
    data = bytearray(bundle.read_bytes())
    one, two = directory(data), directory(data, 1)
    data[two + 42 : two + 46] = data[one + 42 : one + 46]
    bundle.write_bytes(data)
    refused(bundle, host, r"is damaged \(BadZipFile: File name in directory")


def test_several_faults_are_counted(bundle: Path, host: Host) -> None:
    for number in range(3):
        add(bundle, f"../{number}")
    refused(bundle, host, r"\.\./0 would land outside the folder \(and 2 more faults\)")


def test_an_encrypted_member(bundle: Path, host: Host) -> None:
    data = bytearray(bundle.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    bundle.write_bytes(data)
    refused(bundle, host, "is encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unusual_compression(bundle: Path, host: Host, method: int) -> None:
    add(bundle, "records/a/b/c.json", method=method)
    refused(bundle, host, "is compressed in a way that bundles are not")


def test_compressed_predictions(bundle: Path, host: Host) -> None:
    add(bundle, f"predictions/{'0' * 64}.safetensors", b"0" * 10_000)
    refused(bundle, host, "predictions are stored as they are")


def test_a_zip_bomb(bundle: Path, host: Host) -> None:
    add(bundle, "records/a/b/c.json", b" " * 900_000)
    refused(bundle, host, r"records/a/b/c\.json would grow 1,011 times when unpacked")


@pytest.mark.parametrize(("name", "limit"), [("records/a/b/c.json", "1,048,576"), ("suite.json", "67,108,864")])
def test_a_member_beyond_its_size(bundle: Path, host: Host, name: str, limit: str) -> None:
    size = int(limit.replace(",", "")) + 1
    add(bundle, name, b" " * size)
    refused(bundle, host, f"would be {size:,} bytes, at most {limit} are read")


def test_a_size_that_lies(bundle: Path, host: Host) -> None:
    """The header promises 10 bytes of a stream of a megabyte: no more than these are read."""
    name = "records/a/b/c.json"
    add(bundle, name, b" " * 900_000)
    data = bytearray(bundle.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    bundle.write_bytes(data)
    with zipfile.ZipFile(bundle) as file:
        assert file.getinfo(name).file_size == 10
    refused(bundle, host, "manifest does not name")


def test_all_records_together_beyond_the_limit(bundle: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "TEXT_BYTES", 1000)
    refused(bundle, host, r"its records would be [\d,]+ bytes, at most 1,000 are read")


def test_too_many_members(bundle: Path, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MEMBERS", 3)
    refused(bundle, host, "4 members, at most 3 are read")


@pytest.mark.parametrize("keep", [0, 10, 0.3, 0.9, -1])
def test_a_bundle_that_is_cut_off(bundle: Path, host: Host, keep: float) -> None:
    data = bundle.read_bytes()
    bundle.write_bytes(data[: int(keep * len(data)) if 0 < keep < 1 else int(keep)])
    refused(bundle, host, r"b\.zip: not a bundle, or cut off .*: export or fetch it again")


def test_what_is_no_zip_or_not_there(tmp_path: Path, host: Host) -> None:
    (tmp_path / "b.zip").write_bytes(b"<html>not found</html>")
    refused(tmp_path / "b.zip", host, "not a bundle, or cut off")
    refused(tmp_path / "gone.zip", host, r"gone\.zip: cannot be read: No such file")


def test_another_zip(tmp_path: Path, host: Host) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        file.writestr("suite.json", "{}")
    refused(tmp_path / "b.zip", host, r"not a bundle: it holds no manifest\.json; 'harness export' writes")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (changed(format=2), r"newer harness \(bundle format 2, here 1\): upgrade"),
        (changed(date="yesterday"), r"manifest\.json does not fit: date"),
        (changed(date="2026-13-45"), "its date is 2026-13-45, which is none or not yet"),
        (changed(date="2999-01-01"), "its date is 2999-01-01, which is none or not yet"),
        (changed(evil=1), r"manifest\.json does not fit: evil"),
        (changed(members={}), "which its manifest does not name"),
        (changed(by=""), "it does not say who sends it: export it with --by NAME, or import it with --by NAME"),
        (changed(by="a\nb"), r"its sender is no name to print: 'a\\nb'"),
        (changed(by="x" * 300), r"manifest\.json does not fit: by"),
        (changed(counts={"records": 7}), "its manifest counts 7 records, it holds 3"),
        (b"[1]", r"manifest\.json cannot be read"),
        (b"{", r"manifest\.json cannot be read"),
        (b"[" * 100_000, r"manifest\.json cannot be read"),
        (b"\xff", r"manifest\.json cannot be read"),
        (None, "not a bundle: it holds no manifest"),
    ],
)
def test_manifests_that_do_not_fit(
    bundle: Path, host: Host, edit: Callable[[bytes], bytes] | bytes | None, message: str
) -> None:
    refused(spoilt(bundle, {"manifest.json": edit}, vouched=False), host, message)


def test_a_member_that_is_not_what_the_manifest_says(bundle: Path, host: Host) -> None:
    name = first(bundle, "random")
    spoilt(bundle, {name: lambda data: data.replace(b"80.0", b"99.0")}, vouched=False)
    refused(bundle, host, r"records/\S+ is not what the manifest says: it was changed after the bundle was written")


def test_a_member_that_is_missing(bundle: Path, host: Host) -> None:
    name = first(bundle)
    spoilt(bundle, {name: None}, vouched=False)
    refused(bundle, host, r"lacks records/\S+, its manifest names")


def test_a_damaged_member(bundle: Path, host: Host) -> None:
    data = bytearray(bundle.read_bytes())
    with zipfile.ZipFile(bundle) as file:
        info = file.getinfo(first(bundle))
    data[info.header_offset + 30 + len(info.filename) + 40] ^= 0xFF
    bundle.write_bytes(data)
    refused(bundle, host, r"is damaged \(.*\): export or fetch the bundle again")


def test_a_sound_bundle_is_read(bundle: Path) -> None:
    before = snapshot(bundle.parent)
    held = members(bundle)
    with opened(bundle) as found:
        assert {name: found.read(name) for name in found.manifest.members} | {
            "manifest.json": held["manifest.json"]
        } == held
        assert found.names("record") == sorted(name for name in held if name.startswith("records/"))
        assert found.manifest.by == json.loads(held["manifest.json"])["by"] == "Ada"
    assert snapshot(bundle.parent) == before
    with pytest.raises(HarnessError), opened(bundle.parent / "gone.zip"):
        pass
