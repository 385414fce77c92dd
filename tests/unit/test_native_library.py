"""The native library's build and its door, on stub kernels: what is built, what is refused, and with which words."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import qkv.backends.cpu.library as door
from qkv.cli.app import app

ROOT = Path(__file__).parents[2]
CPU = "src/qkv/backends/cpu"
LIBRARY = f"{CPU}/_native.{'dylib' if sys.platform == 'darwin' else 'so'}"
HEADER = """
#include <stdint.h>
#define QKV_API extern "C" __attribute__((visibility("default")))
"""
API = """
#include "qkv.h"
#include <string>
static std::string isa = "scalar";
static int threads = 3;
QKV_API int qkv_abi() { return NOW; }
QKV_API const char* qkv_digest() { return QKV_DIGEST; }
QKV_API const char* qkv_isa() { return isa.c_str(); }
QKV_API int qkv_use_isa(const char* name) {
    if (name[0] == 'a' && name[3] == '5') return -1;
    isa = name;
    return 0;
}
QKV_API int qkv_threads(int n) { return n > 0 ? threads = n : threads; }
QKV_API int qkv_linear(const void*, const float*, float*, int64_t) { return -1; }
QKV_API int qkv_run(const void*, const void*) { return -1; }
QKV_API void qkv_product(const float*, const float*, float*, int64_t, int, int) {}
QKV_API double qkv_squares(const void*, int64_t) { return 0; }
QKV_API void qkv_adamw(const void*, int64_t, float) {}
QKV_API void qkv_dropout(const void*, void*, int64_t, uint64_t, uint32_t, float) {}
QKV_API void qkv_team(void*, void*, void*) {}
""".replace("NOW", str(door.ABI))
FILES = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "NOTICE", ".gitignore")

compiled = pytest.mark.skipif(
    sys.platform == "win32" or not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="needs a C++ compiler"
)


def write_project(folder):
    """The package's own build and door, and nothing else of it, around stub kernels."""
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    (folder / CPU).mkdir(parents=True)
    for name in ("src/qkv/__init__.py", "src/qkv/backends/__init__.py", f"{CPU}/__init__.py", f"{CPU}/library.py"):
        shutil.copy(ROOT / name, folder / name)
    (folder / CPU / "csrc").mkdir()
    (folder / CPU / "csrc" / "qkv.h").write_text(HEADER)
    (folder / CPU / "csrc" / "api.cpp").write_text(API.lstrip())
    return folder


@pytest.fixture(scope="module")
def built_source(tmp_path_factory):
    folder = write_project(tmp_path_factory.mktemp("native"))
    done = make(folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture
def built(built_source, tmp_path):
    """A project whose library is built; a test may change it."""
    return Path(shutil.copytree(built_source, tmp_path / "project"))


@pytest.fixture
def bare(tmp_path):
    """A project whose library is not built."""
    (tmp_path / "project").mkdir()
    return write_project(tmp_path / "project")


def python(folder, *arguments, **settings):
    environment = {name: value for name, value in os.environ.items() if name not in ("QKV_NATIVE", "CXX")}
    environment |= {"PYTHONPATH": str(folder / "src"), **settings}
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def make(folder, **settings):
    return python(folder, "hatch_build.py", **settings)


def wheel(folder, **settings):
    """Builds a wheel as an installation does: its name, its files, and what was said."""
    done = python(folder, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "out"), **settings)
    found = sorted((folder / "out").glob("*.whl"))
    if not found:
        return None, [], done.stdout + done.stderr
    with zipfile.ZipFile(found[0]) as opened:
        return found[0].name, opened.namelist(), done.stdout + done.stderr


def status(folder, **settings):
    """What status() says; it must agree with library(), and nothing may be raised or warned of."""
    code = "from qkv.backends.cpu.library import *; print(library() is not None, isas(), status(), sep='|', end='')"
    done = python(folder, "-c", code, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    is_there, usable, said = done.stdout.split("|", 2)
    assert is_there == str(said.startswith("native ")) and (usable != "[]") == (is_there == "True")
    assert "\n" not in said and len(said) < 600
    return said


# ------------------------------------------------------------------------------------------------------------ door


@compiled
def test_a_built_library_is_used(built):
    assert status(built) == "native scalar, 3 threads"
    code = """
from qkv.backends.cpu import library as door
assert door.library() is door.library()
assert door.isas() == ["scalar", "avx2", "avxvnni"], door.isas()
assert door.status().startswith("native scalar")  # as before isas() tried them
import ctypes
matrix = door.Matrix(kind=0, n=16, k=64)
assert door.library().qkv_linear(matrix, None, None, 1) == -1
assert ctypes.sizeof(door.Matrix) == 40
"""
    done = python(built, "-c", code)
    assert (done.returncode, done.stderr) == (0, "")


def test_missing(bare):
    assert status(bare).startswith("missing: ") and "make native" in status(bare)
    shutil.rmtree(bare / CPU / "csrc")
    assert "make native" not in status(bare) and "C++ compiler" in status(bare)


@compiled
def test_switched_off(built):
    assert status(built, QKV_NATIVE="0") == "switched off by QKV_NATIVE=0"


@compiled
@pytest.mark.parametrize("kept", [0, 40, 64, 4096, 0.3, 0.6, 0.999])
def test_truncated(built, kept):
    """The system's loader would die of some of these."""
    data = (built / LIBRARY).read_bytes()
    (built / LIBRARY).write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    assert status(built).startswith(("broken: ", "not loadable: ")) and "make native" in status(built)


@compiled
def test_not_a_library(built):
    (built / LIBRARY).write_text("this is no library\n" * 100)
    assert status(built).startswith("not loadable: ")
    (built / LIBRARY).unlink()
    (built / LIBRARY).mkdir()
    assert "make native" in status(built)


@compiled
def test_stale_sources(built):
    for change in (
        lambda csrc: (csrc / "qkv.h").write_text(HEADER + "\n"),
        lambda csrc: (csrc / "more.inl").write_text(""),
    ):
        change(built / CPU / "csrc")
        assert status(built).startswith("stale: built from other sources; ") and "make native" in status(built)
        assert make(built).returncode == 0 and status(built).startswith("native ")
    (built / CPU / "csrc" / "notes.md").write_text("not a source")
    assert status(built).startswith("native ")


@compiled
def test_an_installed_library_has_no_sources_to_compare_with(built):
    shutil.rmtree(built / CPU / "csrc")
    assert status(built).startswith("native ")


@compiled
def test_other_abi(built):
    code = built / CPU / "library.py"
    code.write_text(code.read_text("utf8").replace("\nABI = ", "\nABI = 1000 + ", 1))
    assert f"stale: the library has ABI {door.ABI}, this package needs {door.ABI + 1000}; " in status(built)


@compiled
def test_a_function_is_missing(built):
    code = built / CPU / "library.py"
    code.write_text(code.read_text("utf8").replace('    "qkv_isa":', '    "qkv_new": (c_int, []),\n    "qkv_isa":', 1))
    assert status(built).startswith("stale: ") and "qkv_new" in status(built)


# ------------------------------------------------------------------------------------------------------------- env


@compiled
def test_env_says_what_computes(built, monkeypatch):
    monkeypatch.setattr(door, "SOURCES", built / CPU / "csrc")
    monkeypatch.setattr(door, "_found", lambda: door.load(built / LIBRARY))
    engine = json.loads(CliRunner().invoke(app, ["env", "--json"]).stdout)["engine"]
    assert engine == {
        "path": "native scalar", "reason": None, "threads": 3, "instruction_sets": ["scalar", "avx2", "avxvnni"],
    }  # fmt: skip
    plain = CliRunner().invoke(app, ["env"]).stdout
    assert "engine path\tnative scalar\n" in plain and "engine instruction sets\tscalar, avx2, avxvnni\n" in plain

    monkeypatch.setattr(door, "_found", lambda: door.load(built / "nothing"))
    engine = json.loads(CliRunner().invoke(app, ["env", "--json"]).stdout)["engine"]
    assert engine["path"] == "torch" and engine["reason"].startswith("missing: ")
    assert engine["threads"] is None and engine["instruction_sets"] == []


# ----------------------------------------------------------------------------------------------------------- build


@compiled
def test_only_what_changed_is_compiled(built):
    (built / CPU / "csrc" / "kernels_scalar.cpp").write_text("int scalar() { return 1; }\n")
    assert make(built).returncode == 0

    def state():
        objects = {path.name.split("-")[0]: path.name for path in (built / "build/native").glob("*.o")}
        return objects, (built / LIBRARY).stat().st_ino

    objects, inode = state()
    assert sorted(objects) == ["api", "kernels_scalar"]
    assert make(built).returncode == 0 and state() == (objects, inode)

    (built / CPU / "csrc" / "kernels_scalar.cpp").write_text("int scalar() { return 2; }\n")
    assert make(built).returncode == 0  # api.cpp too: it holds the digest
    assert all(state()[0][name] != objects[name] for name in objects) and len(state()[0]) == 2
    assert state()[1] != inode  # replaced: whoever has the old one open keeps it

    (built / LIBRARY).write_bytes(b"")
    assert make(built).returncode == 0 and status(built).startswith("native ")


@compiled
def test_each_kernel_file_has_its_own_flags(built):
    csrc = built / CPU / "csrc"
    for isa in ("scalar", "avx2", "avx512vnni"):
        (csrc / f"kernels_{isa}.cpp").write_text(
            "#ifdef __AVX512VNNI__\n#define V 2\n#elif defined __AVX2__\n#define V 1\n#else\n#define V 0\n#endif\n"
            f'extern "C" __attribute__((visibility("default"))) int level_{isa}() {{ return V; }}\n'
        )
    (csrc / "has.cpp").write_text(
        "#ifdef QKV_HAS_AVX512VNNI\n#define V 1\n#else\n#define V 0\n#endif\n"
        'extern "C" __attribute__((visibility("default"))) int has() { return V; }\n'
    )
    assert make(built).returncode == 0
    code = """
import platform
from qkv.backends.cpu.library import library
native, is_x86 = library(), platform.machine().lower() in ("x86_64", "amd64")
names = ("level_scalar", "level_avx2", "level_avx512vnni")
print([getattr(native, n)() for n in names] == [0, 1, 2] if is_x86 else not any(hasattr(native, n) for n in names[1:]))
print(native.has() == is_x86)
"""
    assert python(built, "-c", code).stdout.split() == ["True", "True"]


@compiled
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (": threads;", ": thread;", "api.cpp does not compile"),
        ("int qkv_abi() {", "int qkv_abi() { return 99;", "has ABI 99"),
        ("return isa.c_str();", "int lost(); return lost() ? nullptr : isa.c_str();", "lost"),
        ("return QKV_DIGEST;", "return nullptr;", "other sources"),
    ],
)
def test_a_library_that_is_no_good_replaces_nothing(built, old, new, says):
    source, before = built / CPU / "csrc" / "api.cpp", (built / LIBRARY).stat().st_ino
    assert old in API
    source.write_text(API.replace(old, new))
    done = make(built)
    assert done.returncode == 1 and says in done.stderr and (built / LIBRARY).stat().st_ino == before
    assert status(built).startswith("stale: built from other sources")
    assert sorted(path.name for path in (built / CPU).glob("*native*")) == [Path(LIBRARY).name]


@compiled
def test_wheel_with_the_library(built):
    name, files, _ = wheel(built)
    assert name.split("-")[2:4] == ["py3", "none"] and not name.endswith("-any.whl")
    assert LIBRARY.removeprefix("src/") in files and not [file for file in files if "csrc" in file or "build" in file]


@compiled
def test_switched_off_wheel_is_pure(built):
    """Even where a library lies about."""
    name, files, said = wheel(built, QKV_NATIVE="0")
    assert name.endswith("-py3-none-any.whl") and not [file for file in files if "native" in file]
    assert "without" not in said


def test_installation_without_a_compiler(bare):
    name, files, said = wheel(bare, PATH=str(bare / "nothing"))
    assert name.endswith("-py3-none-any.whl") and "qkv/backends/cpu/library.py" in files
    assert not [file for file in files if "native" in file]
    said = [line for line in said.splitlines() if "without its native library" in line]
    assert len(said) == 1 and "no C++ compiler" in said[0]

    missing = str(bare / "no-such-compiler")
    assert f"CXX={missing} is not a program" in wheel(bare, CXX=missing)[2]
    assert make(bare, CXX=missing).returncode == 1
    assert status(bare).startswith("missing: ")


@pytest.mark.parametrize("compiler", ["no-such-compiler", f"{sys.executable} -c 1/0"])
def test_required(bare, compiler):
    name, _, said = wheel(bare, CXX=compiler, QKV_NATIVE="require")
    assert name is None and "BuildError" in said
    name, _, said = wheel(bare, CXX=compiler)
    assert name.endswith("-any.whl") and "without its native library" in said


def test_sources_are_in_the_source_distribution(bare):
    (bare / LIBRARY).write_text("a library for another machine")
    done = python(bare, "-m", "hatchling", "build", "-t", "sdist", "-d", str(bare / "out"))
    assert done.returncode == 0
    (made,) = (bare / "out").glob("*.tar.gz")
    with tarfile.open(made) as opened:
        files = [name.partition("/")[2] for name in opened.getnames()]
    assert {"hatch_build.py", f"{CPU}/csrc/api.cpp", f"{CPU}/csrc/qkv.h"} < set(files) and LIBRARY not in files
