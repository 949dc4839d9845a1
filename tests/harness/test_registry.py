"""Names to entries: lazily, with the nearest name for a wrong one, and never silently replaced."""

from __future__ import annotations

import pytest

from harness.errors import HarnessError
from harness.registry import Entry, Origin, Registrar, Registry

A, B = Origin("a", "dist-a", "1.0"), Origin("b", "dist-b", "2.0")


@pytest.fixture
def models() -> Registry:
    registry = Registry("model")
    for name in ("timm:", "resnet50", "alexnet"):
        registry.add(Entry(name, object(), A))
    return registry


def test_an_origin_prints_its_distribution_or_its_name() -> None:
    assert (str(A), str(Origin("plug.py")), str(Origin("x", "d"))) == ("dist-a 1.0", "plug.py", "d")


def test_names_are_sorted_schemes_last(models: Registry) -> None:
    assert models.names() == [entry.name for entry in models] == ["alexnet", "resnet50", "timm:"]
    assert "alexnet" in models
    assert "timm:x" not in models


def test_a_uri_finds_its_scheme(models: Registry) -> None:
    assert models.entry("timm:vit_tiny?pretrained=0").name == "timm:"
    models.add(Entry("timm:special", object(), A))
    assert models.entry("timm:special").name == "timm:special"


def test_an_unknown_name_gets_the_nearest(models: Registry) -> None:
    with pytest.raises(HarnessError, match=r"named 'resnet5'; did you mean 'resnet50'\? \('harness list models'"):
        models.entry("resnet5")
    with pytest.raises(HarnessError, match=r"no model scheme 'tim:'"):
        models.entry("tim:resnet")


def test_the_command_in_the_error_exists() -> None:
    with pytest.raises(HarnessError, match="'harness list analyses'"):
        Registry("analysis").entry("spread")


def test_a_name_given_twice_is_unusable_and_names_both(models: Registry) -> None:
    models.add(Entry("alexnet", object(), B))
    line = "model 'alexnet' is given by dist-a 1.0 and dist-b 2.0: "
    with pytest.raises(HarnessError, match=line):
        models.entry("alexnet")
    assert models.conflicts() == [line + "uninstall one, or exclude it with HARNESS_LOAD_PLUGINS"]
    assert models.entry("resnet50").origin == A


def test_a_dotted_path_is_imported_on_first_use() -> None:
    assert Entry("x", "fractions:Fraction", A).resolve().__name__ == "Fraction"
    assert Entry("x", 3, A).resolve() == 3


@pytest.mark.parametrize("path", ["no_such_module:x", "fractions:no_such_attribute"])
def test_a_path_that_does_not_import_names_the_plugin(path: str) -> None:
    with pytest.raises(HarnessError, match=f"'x' of plugin dist-a 1.0 cannot be loaded from {path}"):
        Entry("x", path, A).resolve()


def test_whatever_a_module_raises_is_one_line(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raising_module.py").write_text("raise RuntimeError('two\\nlines')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HarnessError, match="RuntimeError: two lines"):
        Entry("x", "raising_module:y", A).resolve()


def named(name: str) -> object:
    def thing() -> None:
        """A thing.

        More of it."""

    thing.name = name
    return thing


def test_a_registrar_takes_a_decorated_object_or_a_name_and_a_path() -> None:
    register = Registrar("metric", A)
    register(named("top1"))
    register("top5", "pkg.mod:top5", summary="five")
    register("other", named("ignored"))
    assert [(e.name, e.summary, e.origin) for e in register.entries] == [
        ("top1", "A thing.", A), ("top5", "five", A), ("other", "A thing.", A)
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", [(object(),), ("",), ("name",), (None, "a:b")])
def test_a_registration_without_a_name(arguments: tuple[object, ...]) -> None:
    with pytest.raises(HarnessError, match="needs a name"):
        Registrar("task", A)(*arguments)


def test_a_path_needs_an_attribute_but_for_a_catalogue() -> None:
    with pytest.raises(HarnessError, match=r"needs a path 'package.module:attribute', not 'pkg.mod'"):
        Registrar("task", A)("x", "pkg.mod")
    register = Registrar("catalogue", A)
    register("x", "/somewhere/registry.yaml")
    assert register.entries[0].target == "/somewhere/registry.yaml"


def test_an_argument_that_register_does_not_know_is_an_error() -> None:
    with pytest.raises(TypeError, match="sumary"):
        Registrar("metric", A)("x", "a:b", sumary="x")
