"""Rules of the house that a machine checks: doors, imports downward, the public surface."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import qkv

SRC = Path(qkv.__file__).parent
FILES = sorted(SRC.rglob("*.py"))
TREES = {path.relative_to(SRC).as_posix(): ast.parse(path.read_text("utf8")) for path in FILES}

# module -> the only files that may import it
DOORS = {
    "pickle": (),
    "marshal": (),
    "joblib": (),
    "transformers": (),
    "requests": (),
    "urllib.request": (),
    "http.client": ("network.py",),
    "httpx": (),
    "socket": ("network.py",),
    "huggingface_hub": ("hub.py", "hub_errors.py", "publish.py", "checkpoint.py", "cli/env.py"),
    "safetensors": ("checkpoint.py", "cli/env.py"),
    "zipfile": ("unpickle.py",),
    "jinja2": ("preprocessing/tokenizers/template.py",),
    "gguf": ("gguf/weights.py",),
    "ctypes": ("backends/cpu/library.py", "backends/cpu/structs.py"),
    "llguidance": ("generation/logits/grammar.py",),
    "PIL": ("preprocessing/image.py", "pipelines/canvas.py"),  # which decode and draw
}
BANNED_CALLS = {"eval", "exec", "compile", "__import__"}
# A folder may import from those to its right, and from the ground (files at the top).
ORDER = ["cli", "viz", "pipelines", "training", "models", "heads", "generation", "backends", "layers"]


def imports(tree):
    """Absolute names of what a module imports from outside the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


@pytest.mark.parametrize("path", TREES)
def test_doors(path):
    for name in imports(TREES[path]):
        for door, allowed in DOORS.items():
            if name == door or name.startswith(door + "."):
                assert path in allowed, f"{path} imports {name}; only {allowed or 'nobody'} may"


@pytest.mark.parametrize("path", TREES)
def test_nothing_runs_code_from_a_file(path):
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in BANNED_CALLS and not name.endswith(("torch.load", "np.load", "os.system")), (
                f"{path}: {name}"
            )
            assert "allow_pickle" not in {keyword.arg for keyword in node.keywords}


@pytest.mark.parametrize("path", TREES)
def test_imports_go_downward(path):
    folder = path.split("/")[0] if "/" in path else ""
    if folder not in ORDER:
        return
    above = set(ORDER[: ORDER.index(folder)])
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = (folder if node.level == 1 else "", *(node.module or "").split("."))
            assert above.isdisjoint(parts), f"{path} imports {node.module} from above"


@pytest.mark.parametrize("path", [p for p in TREES if p.startswith(("layers/", "heads/", "pipelines/", "models/"))])
def test_no_family_is_tested_by_name(path):
    assert not re.search(r"model_type\s*(==|!=|in\b)", (SRC / path).read_text("utf8"))


def test_no_check_is_an_assert():
    """`python -O` must not remove a check."""
    for path, tree in TREES.items():
        assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree)), path


def test_public_names_are_sorted_and_real():
    assert qkv.__all__ == sorted(qkv.__all__, key=lambda name: (not name.startswith("_"), name))
    for name in qkv.__all__:
        assert getattr(qkv, name) is not None
    assert sorted(dir(qkv)) == sorted(qkv.__all__)


def test_stub_agrees_with_the_package():
    """__init__.pyi, which type checkers read, names what __init__.py gives."""
    names = set()
    for node in ast.parse((SRC / "__init__.pyi").read_text("utf8")).body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.asname}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets}
    assert {name for name in names if not name.startswith("_")} == set(qkv.__all__) - {"__version__"}


def test_every_head_of_every_family_is_public():
    from qkv import auto

    for model_type in auto.FAMILIES:
        body = auto.body_class(model_type)
        stem = body.__name__.removesuffix("Model")
        for name in (f"{stem}Model", f"{stem}Config", *map(body.class_name, body.heads)):
            assert name in qkv.__all__


def test_unknown_name_suggests():
    with pytest.raises(AttributeError, match="AutoTokenizer"):
        qkv.AutoTokeniser  # noqa: B018


def test_import_is_light():
    code = "import qkv, sys; print(*[m for m in ('torch', 'numpy', 'PIL', 'tokenizers', 'rich') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == ""


def test_a_foreign_package_that_fails_to_import_is_no_matter(tmp_path):
    for name in (
        "tensorflow",
        "keras",
        "transformers",
        "torchvision",
        "torchcodec",
        "deepspeed",
        "wandb",
        "accelerate",
    ):
        (tmp_path / f"{name}.py").write_text("raise OSError('broken')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from qkv import *"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
