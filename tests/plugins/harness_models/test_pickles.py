"""Pickles of arrays: BYOL's published one loads bit for bit, and nothing that a pickle names is ever run."""

from __future__ import annotations

import os
import pickle
import sys
import tracemalloc
from argparse import Namespace
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import torch

from harness.errors import HarnessError
from harness_models import pickles
from harness_models.architectures import build
from harness_models.ckpt import model
from harness_models.pickles import read_arrays
from harness_models.weights import read

PROTOCOLS = [2, 4, 5]


class ExperimentState(NamedTuple):
    online_params: Any
    target_params: Any
    online_state: Any
    target_state: Any
    opt_state: Any


class FlatMapping:
    """Haiku's immutable mapping, which pickles as a call on a dictionary."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.content,)


class DeviceArray:
    def __init__(self, value: Any) -> None:
        self.value = value


def _create_namedtuple(name: str, fields: tuple[str, ...], module: str) -> None: ...


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules under the names of JAX's libraries, so that a pickle can be written that names them."""
    for made, module in (
        (FlatMapping, "haiku._src.data_structures"),
        (DeviceArray, "jax.interpreters.xla"),
        (_create_namedtuple, "dill._dill"),
        (ExperimentState, "byol.byol_experiment"),
    ):
        for part in [module[:i] for i, c in enumerate(f"{module}.") if c == "."]:
            if part not in sys.modules:
                monkeypatch.setitem(sys.modules, part, ModuleType(part))
        monkeypatch.setattr(sys.modules[module], made.__name__, made, raising=False)
        monkeypatch.setattr(made, "__module__", module)


class DillPickler(pickle._Pickler):  # the Python one asks for a class's reduction too
    def save_global(self, obj: Any, name: str | None = None) -> None:
        if obj is ExperimentState:  # as dill writes every named tuple
            self.save_reduce(_create_namedtuple, ("_ByolExperimentState", obj._fields, obj.__module__), obj=obj)
        else:
            super().save_global(obj, name)

    dispatch: ClassVar = {**pickle._Pickler.dispatch, type: save_global}


def haiku(module: torch.nn.Module) -> tuple[FlatMapping, FlatMapping]:
    """A torchvision ResNet's parameters and state, under Haiku's names and in JAX's layouts."""
    params: dict[str, dict[str, Any]] = {}
    state: dict[str, dict[str, Any]] = {}
    for name, part in module.named_modules():
        path = "res_net50/~/" + "/~/".join(haiku_name(name))
        if isinstance(part, torch.nn.Conv2d):
            params[path] = {"w": part.weight.detach().permute(2, 3, 1, 0).contiguous().numpy()}
        elif isinstance(part, torch.nn.BatchNorm2d):
            row = {"scale": part.weight, "offset": part.bias, "mean": part.running_mean, "var": part.running_var}
            row = {key: value.detach().numpy().reshape(1, 1, 1, -1) for key, value in row.items()}
            params[path] = {key: row[key] for key in ("scale", "offset")}
            for key in ("mean", "var"):
                average = {"counter": np.int32(300), "hidden": row[key] + 1, "average": row[key]}
                state[f"{path}/~/{key}_ema"] = average
    linear = {"w": np.ones((8, 4), np.float32), "b": np.ones(4, np.float32)}
    heads = {"projector/linear": linear, "predictor/linear_1": linear, "classifier": linear}
    heads["projector/batch_norm"] = {"scale": np.ones((1, 4)), "offset": np.ones((1, 4))}
    state["projector/batch_norm/~/mean_ema"] = {"counter": np.int32(3), "hidden": np.ones(4), "average": np.ones(4)}
    return FlatMapping({**heads, **params}), FlatMapping(state)


def haiku_name(name: str) -> list[str]:
    """``layer2.0.conv1`` as ``block_group_1``, ``block_0``, ``conv_0``."""
    kinds = {"conv": "conv", "bn": "batchnorm"}
    if not name.startswith("layer"):
        return [f"initial_{kinds[name[:-1]]}"] if name[:-1] in kinds else [name]
    stage, _, rest = name.partition(".")
    block, _, part = rest.partition(".")
    if part.startswith("downsample"):
        part = {"downsample.0": "shortcut_conv", "downsample.1": "shortcut_batchnorm"}.get(part, part)
    elif part[:-1] in kinds:
        part = f"{kinds[part[:-1]]}_{int(part[-1]) - 1}"
    return [f"block_group_{int(stage[5:]) - 1}", f"block_{block}", part]


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """A ResNet-50 whose statistics are drawn too."""
    module = build("torchvision:resnet50").module
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(generator=torch.Generator().manual_seed(tensor.numel()))
    return module


@pytest.mark.parametrize("dill", [True, False])
@pytest.mark.usefixtures("libraries")
def test_byols_pickle_loads_bit_for_bit(tmp_path: Path, network: torch.nn.Module, dill: bool) -> None:
    params, state = haiku(network)
    target = FlatMapping({name: {k: v * 0 for k, v in part.items()} for name, part in params.content.items()})
    experiment = ExperimentState(params, target, state, state, (DeviceArray([1, 2]),))
    path = tmp_path / "pretrain_res50x1.pkl"
    with path.open("wb") as file:
        pickler = (DillPickler if dill else pickle._Pickler)(file, protocol=2)
        pickler.dump({"experiment_state": experiment, "step": 312500, "rng": DeviceArray(np.ones(2, np.uint32))})
    written = path.read_bytes()
    assert (b"_create_namedtuple" in written) == dill
    path.write_bytes(written.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))  # numpy 1, of 2020
    if not dill:
        path.write_bytes(written.replace(b"\nExperimentState", b"\n_ByolExperimentState"))

    loaded = model(str(path), arch="torchvision:resnet50", format="byol").load().module.state_dict()  # type: ignore[attr-defined]

    wanted = network.state_dict()
    assert loaded.keys() == wanted.keys()
    counters = [key for key in wanted if key.endswith("num_batches_tracked")]
    assert all(torch.equal(loaded[key], wanted[key]) for key in wanted if key not in counters)
    del params.content["res_net50/~/initial_conv"]
    path.write_bytes(
        pickle.dumps({"experiment_state": {"online_params": params.content, "online_state": state.content}})
    )
    with pytest.raises(HarnessError, match=r"1 keys missing \(conv1\.weight\)$"):
        model(str(path), arch="torchvision:resnet50", format="byol").load()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_are_numpys(tmp_path: Path, protocol: int) -> None:
    generator = np.random.default_rng(0)
    arrays = {
        "float": generator.random((2, 3)).astype(np.float32),
        "fortran": np.asfortranarray(generator.random((2, 3))),
        "half": generator.random(5).astype(np.float16),
        "big": generator.random(5).astype(">f4"),
        "bytes": np.arange(5, dtype=np.uint8),
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 3), np.int64),
        "point": np.array(3.5),
    }
    content = {**arrays, "list": [arrays["float"]], "ordered": OrderedDict(a=1), "scalar": np.float32(0.5), "n": 2**70}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol))
    found = read_arrays(tmp_path / "a.pkl")
    for name, array in arrays.items():
        assert torch.equal(found[name], torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("=")))), name
    assert found["scalar"] == 0.5
    assert found["n"] == 2**70
    assert found["ordered"] == {"a": 1}


class Call:
    """What pickles as a call."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[Path]:
    """A file that an executed pickle would make."""
    path = tmp_path / "executed"
    yield path
    assert not path.exists()


def attacks(mark: Path) -> dict[str, Any]:
    evil = Call(os.system, f"touch {mark}")
    code = f"open({str(mark)!r}, 'w')"
    return {
        "system": evil,
        "eval": Call(eval, code),
        "exec": Call(exec, code),
        "open": Call(open, str(mark), "w"),
        "getattr": Call(getattr, "", "join"),
        "import": Call(__import__, "this"),
        "nested": {"state_dict": [{"w": np.ones(2)}, (evil,)]},
        "in-options": {"args": Namespace(arch="r50", hook=evil), "state_dict": {}},
        "in-an-array": {"w": np.array([evil], dtype=object)},
        "lazy": {"d": defaultdict(evil.call[0])},
    }


NAMES = list(attacks(Path()))


@pytest.mark.parametrize("protocol", [0, *PROTOCOLS])
@pytest.mark.parametrize("name", NAMES)
def test_no_attack_is_executed(tmp_path: Path, mark: Path, name: str, protocol: int) -> None:
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps(attacks(mark)[name], protocol))
    with pytest.raises(HarnessError, match=r"evil\.pkl: this pickle holds a \w+[\w.]*, which is no array"):
        read(path)


@pytest.mark.parametrize("name", NAMES)
def test_no_attack_is_executed_through_torch(tmp_path: Path, mark: Path, name: str) -> None:
    path = tmp_path / "evil.pth"
    torch.save(attacks(mark)[name], path)
    with pytest.raises(HarnessError, match="execute code"):
        read(path)


def test_the_attacks_are_real(tmp_path: Path) -> None:
    for name in ("system", "eval", "nested", "in-options"):
        mark = tmp_path / name
        pickle.loads(pickle.dumps(attacks(mark)[name]))
        assert mark.exists()


@pytest.mark.usefixtures("libraries")
def test_a_jax_object_is_not_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[int] = []
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"rng": DeviceArray(3), "map": FlatMapping({"w": np.ones(2)})}, 2))
    monkeypatch.setattr(FlatMapping, "__init__", lambda *args: called.append(1))
    found = read_arrays(tmp_path / "a.pkl")
    assert torch.equal(found["map"]["w"], torch.ones(2, dtype=torch.float64))
    assert not called


def test_an_object_array_is_no_memory(tmp_path: Path) -> None:
    """Bytes that claim to be pointers: numpy's own reader follows them when a type's flags are forged."""
    forged = (
        b"\x80\x02}X\x01\x00\x00\x00wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x01\x85cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x08AAAAAAAAtbs."
    )
    (tmp_path / "a.pkl").write_bytes(forged)
    assert read_arrays(tmp_path / "a.pkl") == {"w": None}


@pytest.mark.parametrize(
    "target", ["_codecs\nencode", "numpy.core.multiarray\nscalar", "dill._dill\n_create_namedtuple"]
)
def test_functions_cannot_be_altered(tmp_path: Path, target: str) -> None:
    """A state given to a function would set its attributes, such as its defaults."""
    before = vars(pickles.JAX[target.replace("\n", ".")]).copy()
    state = b"(N}U\x08functionK\x01st"
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02c" + target.encode() + b"\n" + state + b"b.")
    with pytest.raises(HarnessError, match="no pickle of arrays"):
        read_arrays(tmp_path / "a.pkl")
    assert vars(pickles.JAX[target.replace("\n", ".")]) == before


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated"),
        (b"no pickle", "truncated"),
        (pickle.dumps({"w": np.ones(99)}, 2)[:-60], "truncated"),
        (pickle.dumps([1, 2]), "holds a list, not a dictionary"),
        (pickle.dumps({"a": CYCLE}), "truncated"),
        (pickle.dumps({"w": np.ones(9)}, 2).replace(b"K\x09\x85", b"K\x08\x85"), "no pickle of arrays"),
        (b"\x80\x02cnumpy.core.multiarray\nscalar\n)R.", "no pickle of arrays"),
        (b"\x80\x02cnumpy\nndarray\n)R}b.", "no pickle of arrays"),
    ],
)
def test_what_is_no_pickle_of_arrays_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(HarnessError, match=rf"a\.pkl: .*{message}") as caught:
        read(tmp_path / "a.pkl")
    assert "\n" not in str(caught.value)


def test_options_beside_the_weights_are_inert(tmp_path: Path) -> None:
    options = Namespace(
        path=Path("x"), lr=np.float64(0.1), nested=defaultdict(list, a=[1]), betas=np.array([0.9, 0.99])
    )
    torch.save({"state_dict": {"w": torch.ones(2)}, "args": options, "epoch": np.int64(3)}, tmp_path / "a.pth")
    content = read(tmp_path / "a.pth")
    assert torch.equal(content["state_dict"]["w"], torch.ones(2))
    assert content["epoch"] == 3
    assert type(content["args"]) is pickles.Inert
    assert content["args"].state["lr"] == pytest.approx(0.1)
    assert content["args"].state["nested"] == {"a": [1]}
    assert not any(isinstance(entry, tuple) for entry in torch.serialization.get_safe_globals())  # as it was


def test_what_is_there_many_times_is_one_object(tmp_path: Path) -> None:
    shared: Any = np.ones(2)
    for _ in range(200):
        shared = [shared, shared]  # 2^200 leaves, if each were its own
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"w": shared}, 2))
    found = read_arrays(tmp_path / "a.pkl")["w"]
    assert found[0] is found[1]


DEEP = b"N" + b"\x85" * 200_000  # a tuple in a tuple in a tuple…


HASHED = [
    b"}" + DEEP + b"Ns.",
    b"}(" + DEEP + b"Nu.",
    b"(" + DEEP + b"Nd.",
    b"\x8f(" + DEEP + b"\x90.",
    b"(" + DEEP + b"\x91.",
    b"ccollections\nOrderedDict\n](" + DEEP + b"N\x86e\x85R.",
    b"cdill._dill\n_create_namedtuple\n(X\x01\x00\x00\x00a" + DEEP + b"tR.",
    b"cdill._dill\n_create_namedtuple\n(X\x01\x00\x00\x00a" + DEEP + b"\x85tR.",
]


def test_no_key_overflows_the_stack(tmp_path: Path, python: Callable[[str], str]) -> None:
    """In a process of its own, which would die of it."""
    for number, content in enumerate(HASHED):
        (tmp_path / f"{number}.pkl").write_bytes(b"\x80\x04" + content)
    source = f"""
from pathlib import Path
from harness.errors import HarnessError
from harness_models.pickles import read_arrays
for path in Path({str(tmp_path)!r}).iterdir():
    try:
        read_arrays(path)
    except HarnessError as error:
        print(error)
"""
    assert python(source).count("no pickle of arrays") == len(HASHED)


def test_a_forged_number_of_what_is_remembered_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02}r" + (0x7FFFFFFF).to_bytes(4, "little") + b".")
    tracemalloc.start()
    try:
        assert read_arrays(tmp_path / "a.pkl") == {}
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_ordered_pairs_of_python_2(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02ccollections\nOrderedDict\n]](X\x01\x00\x00\x00aK\x01ea\x85R.")
    assert read_arrays(tmp_path / "a.pkl") == {"a": 1}
