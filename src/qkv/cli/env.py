"""qkv env: the versions, processor, memory, accelerators and settings that a bug report needs."""

import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from qkv import __version__

from ..backends.cpu.library import isas, library, status
from .terminal import Debug, print_rows, size

PACKAGES = ("torch", "numpy", "tokenizers", "safetensors", "huggingface_hub")
FEATURES = {  # what the kernel calls it -> what people call it
    "avx": "avx", "avx2": "avx2", "fma": "fma", "f16c": "f16c", "avx512f": "avx512", "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16", "avx_vnni": "avx_vnni", "amx_int8": "amx_int8", "amx_bf16": "amx_bf16",
    "neon": "neon", "asimd": "neon", "asimddp": "dotprod", "i8mm": "i8mm", "bf16": "bf16", "sve": "sve",
}  # fmt: skip
SETTINGS = (
    "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT", "HF_HOME", "OMP_NUM_THREADS", "NO_COLOR", "QKV_NATIVE",
)  # fmt: skip
CGROUP = Path("/sys/fs/cgroup")


def env(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    debug: Debug.Option = False,
) -> None:
    """Report versions, processor, memory, accelerators and settings: paste it into a bug report.

    [bold]Examples[/bold]

      qkv env
      qkv env --json > env.json
    """
    found = report()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print_rows((name, value) for section in found.items() for name, value in _rows(*section))


def report() -> dict[str, Any]:
    """All of it, in sections, as plain JSON values; None for what this system does not tell."""
    return {
        "versions": {"qkv": __version__, "python": platform.python_version()} | {n: _version(n) for n in PACKAGES},
        "platform": platform.platform(),
        "cpu": _processor() | _cores(),
        "memory": _memory(),
        "torch": _torch(),
        "engine": _engine(),
        "cache": _cache(),
        "settings": {name: re.sub("//[^/@]+@", "//***@", os.environ[name]) for name in SETTINGS if name in os.environ},
        "extras": _extras(),
    }


def _rows(section: str, value: Any) -> Iterator[tuple[str, object]]:
    if not isinstance(value, dict):
        yield section, value
        return
    for name, entry in value.items():
        if section == "extras":
            yield f"extra {name}", "installed" if not entry else f"not installed: {', '.join(entry)}"
        elif isinstance(entry, list):
            yield f"{section} {name.replace('_', ' ')}", ", ".join(map(str, entry)) or "none"
        elif name.endswith("bytes"):
            yield f"{section} {name.removesuffix('bytes').rstrip('_') or 'size'}", size(entry)
        else:
            title = name if section in ("versions", "settings") else f"{section} {name.replace('_', ' ')}"
            yield title, {None: "none", True: "yes", False: "no"}.get(entry, entry)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> dict[str, Any]:
    text = _read(Path("/proc/cpuinfo"))
    if text is not None:
        model = re.search(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", text, re.MULTILINE)
        flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
        words = flags.group(1).split() if flags else []
        return {"model": model.group(1) if model else platform.machine(), "features": _known(words)}
    if sys.platform == "darwin":
        words = re.findall(r"hw\.optional\.(?:arm\.FEAT_)?(\w+): 1", _sysctl("hw.optional"))
        words += _sysctl("-n", "machdep.cpu.features", "machdep.cpu.leaf7_features").lower().split()
        return {"model": _sysctl("-n", "machdep.cpu.brand_string").strip(), "features": _known(map(str.lower, words))}
    return {"model": platform.processor() or platform.machine(), "features": None}


def _known(words: Any) -> list[str]:
    return sorted({FEATURES[word] for word in words if word in FEATURES})


def _sysctl(*arguments: str) -> str:
    found = subprocess.run(["/usr/sbin/sysctl", *arguments], capture_output=True, text=True, timeout=5, check=False)
    return found.stdout


def _cores() -> dict[str, Any]:
    """Logical and physical cores of the machine, and those that this process may use."""
    text = _read(Path("/proc/cpuinfo")) or ""
    pairs = re.findall(r"^physical id\s*:\s*(\d+)$(?:.*\n)*?^core id\s*:\s*(\d+)$", text, re.MULTILINE)
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cores": os.cpu_count(), "physical_cores": len(set(pairs)) or None, "usable_cores": affinity,
            "quota_cores": _quota()}  # fmt: skip


def _quota() -> float | None:
    """Cores' worth of time that a container grants; None without a limit."""
    group = next((line.split(":", 2)[2] for line in (_read(Path("/proc/self/cgroup")) or "").splitlines()
                  if line.startswith("0::")), "/")  # fmt: skip
    for folder in (CGROUP / group.lstrip("/"), CGROUP):
        limit = (_read(folder / "cpu.max") or "").split()
        if len(limit) == 2 and limit[0].isdecimal():
            return round(int(limit[0]) / int(limit[1]), 2)
    quota, period = (_read(CGROUP / "cpu" / f"cpu.cfs_{name}_us") or "0" for name in ("quota", "period"))
    return round(int(quota) / int(period), 2) if int(quota) > 0 and int(period) > 0 else None


def _memory() -> dict[str, int | None]:
    text = _read(Path("/proc/meminfo")) or ""
    kib = {name: int(count) for name, count in re.findall(r"^(MemTotal|MemAvailable):\s*(\d+) kB", text, re.MULTILINE)}
    total = kib["MemTotal"] * 1024 if "MemTotal" in kib else None
    if sys.platform == "darwin":
        total = int(_sysctl("-n", "hw.memsize") or 0) or None
    limit = (_read(CGROUP / "memory.max") or "").strip()
    return {
        "total_bytes": total,
        "available_bytes": kib["MemAvailable"] * 1024 if "MemAvailable" in kib else None,
        "limit_bytes": int(limit) if limit.isdecimal() else None,
    }


def _torch() -> dict[str, Any]:
    try:
        import torch
    except Exception as error:  # a broken installation is what this report is for
        return {"error": f"{type(error).__name__}: {error}"}
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    if torch.xpu.is_available():
        names += [torch.xpu.get_device_name(i) for i in range(torch.xpu.device_count())]
    return {
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.version.cuda,
        "accelerators": names,
    }


def _engine() -> dict[str, Any]:
    """What computes on the processor: our kernels and their instruction set, or torch, and then why."""
    native = library()
    if native is None:
        return {"path": "torch", "reason": status(), "threads": None, "instruction_sets": []}
    path = f"native {native.qkv_isa().decode()}"
    return {"path": path, "reason": None, "threads": native.qkv_threads(0), "instruction_sets": isas()}


def _cache() -> dict[str, Any]:
    from huggingface_hub import constants

    folder = constants.HF_HUB_CACHE
    held = sum(_files(folder)) if os.path.isdir(folder) else 0
    return {"folder": folder, "bytes": held, "offline": constants.HF_HUB_OFFLINE}


def _files(folder: str) -> Iterator[int]:
    """Bytes of each file, links not followed: a snapshot in the cache is made of links to what is counted once."""
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(os.path.join(place, name)).st_size
            except OSError:  # deleted meanwhile
                continue


def _extras() -> dict[str, list[str]]:
    """Optional extra -> its packages that are not installed; empty if it is complete."""
    try:
        wanted = importlib.metadata.requires("qkv") or []
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return {}
    missing: dict[str, list[str]] = {}
    for line in wanted:
        found = re.match(r"([\w.-]+).*;.*extra == ['\"]([\w-]+)['\"]", line)
        if found:
            package, extra = found.groups()
            missing.setdefault(extra, []).extend([package] if _version(package) is None else [])
    return missing


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None
