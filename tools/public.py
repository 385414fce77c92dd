"""The public names, written out: model classes in `_HOMES`, `__all__`, and the whole of __init__.pyi.

    python tools/public.py          # after a family, a head, a pipeline or any other name was added

Model classes follow from the families' `heads` tables and pipelines from the task table; other names are added to
`_HOMES` in src/qkv/__init__.py by hand.
"""

import importlib
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import qkv
from qkv import auto
from qkv.models.task import TaskModel
from qkv.models.vision import VisionTaskModel
from qkv.pipelines.factory import TASKS

SRC = Path(qkv.__file__).parent
TYPES = """\
class _{name}({bases}):
    def __call__(
        self,
{inputs}
{targets}
        **inputs: Any,
    ) -> {output}: ...

"""


READ = {"text": ("input_ids", "attention_mask"), "pictures": ("pixel_values",)}  # what comes first in a call


def homes() -> dict[str, list[str]]:
    """Module -> public names."""
    found = {home: names.split() for home, names in qkv._HOMES.items() if not home.startswith("models.")}
    found["models.base"] = qkv._HOMES["models.base"].split()
    for model_type, file in auto.FAMILIES.items():
        body = auto.body_class(model_type)
        heads = [body.class_name(suffix) for suffix in body.heads]
        parts = [part for part in body.config_class.parts.values() if isinstance(part, type)]
        parts = [part.__name__ for part in parts if part.__module__.endswith(f".{file}")]
        names = found.setdefault(f"models.{file}", parts)
        names += [name for name in (body.config_class.__name__, body.__name__, *heads) if name not in names]
    for task in TASKS.values():
        found.setdefault(f"pipelines.{task.file}", []).append(task.pipeline)
    found["auto"] = [name for name in vars(auto) if name.startswith("Auto")]
    return {home: sorted(set(found[home])) for home in sorted(found)}


def write_names(found: dict[str, list[str]]) -> None:
    path = SRC / "__init__.py"
    text = path.read_text()
    rows = []
    for home, names in found.items():
        line = f'    "{home}": "{" ".join(names)}",'
        if len(line) > 120:
            lines = [f'        "{part} "' for part in textwrap.wrap(" ".join(names), 107)]
            line = "\n".join([f'    "{home}": (', *lines, "    ),"]).replace(' "\n    ),', '"\n    ),')
        rows.append(line)
    text = re.sub(r"_HOMES = \{.*?\n\}\n", lambda _: "_HOMES = {\n" + "\n".join(rows) + "\n}\n", text, flags=re.S)
    names = ["__version__", *sorted(name for names in found.values() for name in names)]
    listed = textwrap.indent(textwrap.fill(", ".join(f'"{name}"' for name in names), 115), "    ")
    text = re.sub(r"__all__ = \[.*?\n\]", lambda _: f"__all__ = [\n{listed},\n]", text, flags=re.S)
    path.write_text(text)


def write_stub(found: dict[str, list[str]]) -> None:
    imports, aliases, kinds, classes = {"from .models.task import TaskModel"}, [], {}, []
    for home, names in found.items():
        module = importlib.import_module(f"qkv.{home}")
        for name in names:
            value = getattr(module, name)
            if isinstance(value, type) and issubclass(value, TaskModel):
                head = value.head_spec.cls
                kind = head.output.__name__.removesuffix("Output")
                kinds[kind] = head, READ["pictures" if issubclass(value, VisionTaskModel) else "text"]
                classes.append(f"class {name}(_{kind}): ...")
            elif isinstance(value, type) and value.__name__ != name:
                aliases.append(f"{name} = {value.__name__}")
            else:
                imports.add(f"from .{home} import {name} as {name}")
    types = []
    for kind, (head, read) in sorted(kinds.items(), key=lambda item: item[0]):
        imports.add(f"from {head.output.__module__.replace('qkv', '', 1)} import {head.output.__name__}")
        bases = "GenerationMixin, TaskModel" if head.generates else "TaskModel"
        inputs, targets = ("\n".join(f"        {x}: Tensor | None = ...," for x in row) for row in (read, head.targets))
        targets = targets and f"        *,\n{targets}"
        types.append(TYPES.format(name=kind, bases=bases, inputs=inputs, targets=targets, output=head.output.__name__))
    head = '"""What the public names are, for type checkers and editors. tools/public.py writes this file."""\n\n'
    head += "from typing import Any\n\nfrom torch import Tensor\n\n"
    parts = [head, "\n".join(sorted(imports)), "\n\n__version__: str\n__all__: list[str]\n\n", *types]
    parts += ["\n".join(sorted(classes)), "\n\n", "\n".join(sorted(aliases)), "\n"]
    (SRC / "__init__.pyi").write_text("".join(parts))


if __name__ == "__main__":
    names = homes()
    write_names(names)
    write_stub(names)
    ruff = [sys.executable, "-m", "ruff"]
    files = [str(SRC / "__init__.py"), str(SRC / "__init__.pyi")]
    subprocess.run([*ruff, "check", "-q", "--fix", *files], check=True)
    subprocess.run([*ruff, "format", "-q", *files], check=True)
    print(f"{sum(map(len, names.values()))} public names")
