from __future__ import annotations

import pytest

from harness.errors import HarnessError
from harness_models.formats import FORMATS, Format, format_of


def test_moco_keeps_the_query_encoder() -> None:
    content = {
        "epoch": 200,
        "state_dict": {
            "module.encoder_q.conv1.weight": 1,
            "module.encoder_q.fc.0.weight": 2,
            "module.encoder_k.conv1.weight": 3,
            "module.queue": 4,
        },
    }
    weights = FORMATS["moco"].weights(content)
    assert weights["conv1.weight"] == 1
    left = {key for key in weights if not key.startswith(FORMATS["moco"].drop)}
    assert left == {"conv1.weight"}


@pytest.mark.parametrize("name", ["torchvision", "timm"])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_libraries_files_come_bare_or_wrapped(name: str, wrapper: str | None) -> None:
    state = {"module.conv1.weight": 1}
    assert FORMATS[name].weights({wrapper: state} if wrapper else state) == {"conv1.weight": 1}


def test_plain_changes_nothing() -> None:
    state = {"module.conv1.weight": 1, "state_dict": {}}
    assert FORMATS["plain"].weights(state) == state


def test_a_format_from_fields_renames_by_regular_expression() -> None:
    layout = format_of({"strip": ["net."], "rename": {r"^(\d)\.": r"layer\1."}})
    assert layout.weights({"net.3.0.weight": 1}) == {"layer3.0.weight": 1}


def test_two_keys_must_not_become_one() -> None:
    with pytest.raises(HarnessError, match=r"two keys become 'a', the second is 'module\.a'"):
        Format(strip=("module.",)).weights({"a": 1, "module.a": 2})


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(HarnessError, match="no checkpoint format named 'mocov2'; did you mean 'moco'"):
        format_of("mocov2")
    with pytest.raises(HarnessError, match=r"format unwrapp: .*did you mean 'unwrap'"):
        format_of({"unwrapp": ["state_dict"]})
