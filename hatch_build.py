"""Compile src/qkv/backends/cpu/csrc into one shared library: at installation, and by `python hatch_build.py` in place.

    python hatch_build.py        # what changed is compiled; exit status 1, with the compiler's words, if that fails

An installation never fails for it: without a C++ compiler the package is pure Python, and torch computes. The
environment decides: CXX names the compiler, QKV_NATIVE=0 builds nothing, QKV_NATIVE=require makes a failure an error.
"""

import hashlib
import os
import platform
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand where hatchling is not installed
    BuildHookInterface = object

COMMON = ["-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast", "-fno-math-errno", "-pthread"]
AVX2 = "-mavx2 -mfma -mf16c"
AVX512 = f"-mavx512f -mavx512bw -mavx512vl -mavx512dq {AVX2}"
X86 = {  # kernels_<name>.cpp -> its flags; other files, and other processors, have the compiler's baseline
    "avx2": AVX2,
    "avxvnni": f"{AVX2} -mavxvnni",
    "avx512": AVX512,
    "avx512vnni": f"{AVX512} -mavx512vnni",
}
# Our own copy of the C++ runtime, hidden: torch brings another one into the same process.
STATIC = ["-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL"]


class BuildError(Exception):
    """No library: the first line says why, the rest is the compiler's."""


class NativeLibrary(BuildHookInterface):
    """Adds the library to a wheel, which is then for this platform, whatever the version of Python."""

    def initialize(self, version: str, build_data: dict) -> None:
        """hatchling's call before the wheel is written; `version` is "standard" or "editable"."""
        wanted = os.environ.get("QKV_NATIVE")
        if wanted == "0":
            return
        try:
            library = build(Path(self.root))
        except (BuildError, OSError) as error:
            if wanted == "require":
                raise
            self.app.display_warning(f"qkv is installed without its native library: {str(error).splitlines()[0]}")
            return
        if version == "standard":  # an editable wheel holds a path to src, where the library is
            build_data["force_include"][str(library)] = f"qkv/backends/cpu/{library.name}"
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{_platform()}"


def build(root: Path) -> Path:
    """Bring the library in `root`/src up to date; its path. BuildError or OSError if that cannot be done.

    Objects are kept in `root`/build/native, named by what they were made of. The library is replaced in one step: a
    process that has it open keeps the old one.
    """
    if sys.platform == "win32":
        raise BuildError("Windows has no native kernels yet")
    door = runpy.run_path(str(root / "src/qkv/backends/cpu/library.py"))
    file, csrc, digest = door["FILE"], door["SOURCES"], door["digest"](door["SOURCES"])
    compiler = _compiler()
    kept = root / "build" / "native"
    kept.mkdir(parents=True, exist_ok=True)
    commands = _commands(compiler, csrc, digest)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda source: _object(commands[source], source, kept), commands))
    stamp = kept / "linked"
    if file.exists() and stamp.exists() and stamp.read_text() == _made(file, objects):
        return file
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        _link(compiler, objects, new)
        _check(new, door["__file__"])
        os.replace(new, file)
    finally:
        new.unlink(missing_ok=True)
    stamp.write_text(_made(file, objects))
    for old in set(kept.glob("*.o")).difference(objects):
        old.unlink(missing_ok=True)
    return file


def _compiler() -> list[str]:
    """The command that compiles C++: $CXX, which may have arguments, or the first usual name there is."""
    asked = shlex.split(os.environ.get("CXX", ""))
    if asked:
        if shutil.which(asked[0]) is None:
            raise BuildError(f"CXX={asked[0]} is not a program; set it to a C++ compiler, or unset it")
        return asked
    for name in ("c++", "g++", "clang++"):
        if shutil.which(name):
            return [name]
    raise BuildError("no C++ compiler; install g++ or clang++, or set CXX")


def _commands(compiler: list[str], csrc: Path, digest: str) -> dict[Path, list[str]]:
    """Source -> the command that compiles it. Kernels that this processor or compiler does not know are left out.

    The files without flags of their own are told which kernels there are, by QKV_HAS_AVX2 and so on; the one that
    mentions QKV_DIGEST is given it.
    """
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    has = {isa: flags.split() for isa, flags in X86.items() if is_x86 and _accepts(compiler, flags.split())}
    commands = {}
    for source in sorted(csrc.glob("*.cpp")):
        isa = source.stem.removeprefix("kernels_")
        if isa in X86 and isa not in has:
            continue
        flags = has.get(isa) or [f"-DQKV_HAS_{name.upper()}" for name in has if (csrc / f"kernels_{name}.cpp").exists()]
        if "QKV_DIGEST" in source.read_text("utf8"):
            flags = [*flags, f'-DQKV_DIGEST="{digest}"']
        commands[source] = [*compiler, *COMMON, *flags, "-c", str(source)]
    if not commands:
        raise BuildError(f"no C++ sources in {csrc}")
    return commands


def _accepts(compiler: list[str], flags: list[str]) -> bool:
    command = [*compiler, *flags, "-x", "c++", "-fsyntax-only", "-"]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def _object(command: list[str], source: Path, kept: Path) -> Path:
    """The compiled `source`, made if there is none of the same text, headers and command."""
    key = _key(command, source)
    made = kept / f"{source.stem}-{key}.o"
    if made.exists():
        return made
    new = made.with_suffix(f".{os.getpid()}")
    try:
        _run([*command, "-o", str(new)], f"{source.name} does not compile")
        if _key(command, source) != key:
            raise BuildError(f"{source.name} changed while it was compiled; build again")
        os.replace(new, made)
    finally:
        new.unlink(missing_ok=True)
    return made


def _key(command: list[str], source: Path) -> str:
    """A digest of the command and of all that it reads in the folder of `source`."""
    found = hashlib.sha256(f"{platform.machine()} {_version(command[0])} {shlex.join(command)}".encode())
    todo, seen = [source], {source}
    while todo:
        data = todo.pop().read_bytes()
        found.update(data)
        named = {
            source.parent / name for name in re.findall(r'^\s*#\s*include\s*"([^"]+)"', data.decode(), re.MULTILINE)
        }
        news = sorted(path for path in named - seen if path.exists())
        seen.update(news)
        todo += news
    return found.hexdigest()[:16]


def _version(compiler: str) -> str:
    done = subprocess.run([compiler, "--version"], capture_output=True, text=True, errors="replace", check=False)
    return done.stdout.partition("\n")[0]


def _made(file: Path, objects: list[Path]) -> str:
    """What tells that `file` is the one that was linked from `objects`."""
    found = file.stat()
    return f"{' '.join(path.name for path in objects)} {found.st_size} {found.st_mtime_ns}"


def _link(compiler: list[str], objects: list[Path], new: Path) -> None:
    command = [*compiler, "-shared", "-pthread", "-o", str(new), *map(str, objects)]
    if sys.platform != "darwin":
        try:
            return _run([*command, *STATIC], "")
        except BuildError:  # a system without the static runtime
            pass
    return _run(command, "the native library does not link")


def _check(file: Path, door: str) -> None:
    """BuildError if the package would refuse the library: asked in a process of its own, which it may end."""
    ask = f"import pathlib, runpy; print(runpy.run_path({door!r})['load'](pathlib.Path({str(file)!r}))[1])"
    answer = _run([sys.executable, "-c", ask], "the native library does not load").strip()
    if answer:
        raise BuildError(f"the native library is refused: {answer}")


def _run(command: list[str], what: str) -> str:
    """What the command printed; BuildError with `what`, the first error, and then all the command said, if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        said = done.stderr.strip() or f"{command[0]} ended with status {done.returncode}"
        first = next((line for line in said.splitlines() if "error" in line), said.splitlines()[-1])
        raise BuildError(f"{what}: {first}\n{said}")
    return done.stdout


def _platform() -> str:
    """This platform's name in a wheel's name: the machine's own, as `linux_x86_64`, not a promise such as manylinux."""
    from packaging.tags import platform_tags

    return next(name for name in platform_tags() if not name.startswith(("manylinux", "musllinux")))


def main() -> int:
    if os.environ.get("QKV_NATIVE") == "0":
        print("native library: nothing built, QKV_NATIVE=0")
        return 0
    try:
        library = build(Path(__file__).parent.resolve())
    except (BuildError, OSError) as error:
        print(f"native library: {error}", file=sys.stderr)
        return 1
    print(f"native library: {library.name} is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
