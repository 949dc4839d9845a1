from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness_models.sources import checkpoint_folder, fetched, locate

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
