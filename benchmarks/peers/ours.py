"""qkv. Variants: "fp32", "int8", "int4"; "trainer"."""

from pathlib import Path
from typing import Any

from . import Learner, folder


def make(spec: dict[str, Any]) -> Any:
    kinds = {"classify": Classifier, "embed": Embedder, "train": Tuner, "picture": Pictures}
    return kinds.get(spec["task"], Generator)(spec)


def source(spec: dict[str, Any]) -> tuple[Path, dict[str, Any]]:
    """Where a model is read from and how: from its compact folder, if convert_ours.py has made one."""
    saved = Path(spec["cache"]) / "ours" / f"{spec['model']}-{spec['variant']}" if "cache" in spec else None
    if saved is not None and "folder" not in spec and saved.exists():
        return saved, {}
    return folder(spec), {} if spec["variant"] == "fp32" else {"quantize": spec["variant"]}


class Qkv:
    """What all of them report; the native kernels have threads of their own beside torch's."""

    def __init__(self, spec: dict[str, Any]):
        self.count = spec["threads"]

    def threads(self) -> int:
        import torch

        native = _native()
        counts = {torch.get_num_threads()} | ({native.qkv_threads(self.count)} if native else set())
        return max(counts)

    def version(self) -> str:
        import qkv

        native = _native()
        return f"qkv {qkv.__version__} ({native.qkv_isa().decode() if native else 'torch'})"


def _native() -> Any:
    try:
        from qkv.backends.cpu.library import library
    except ImportError:
        return None
    return library()


class Classifier(Qkv):
    """pipeline("text-classification")."""

    def __init__(self, spec: dict[str, Any]):
        from qkv import pipeline

        super().__init__(spec)
        path, options = source(spec)
        self.pipe = pipeline("text-classification", model=str(path), **options)

    def run(self, job: dict[str, Any]) -> list[list[Any]]:
        return [[each["label"], each["score"]] for each in self.pipe(job["texts"], truncation=True)]


class Pictures(Qkv):
    """pipeline("image-classification")."""

    def __init__(self, spec: dict[str, Any]):
        from qkv import pipeline

        super().__init__(spec)
        path, options = source(spec)
        self.pipe = pipeline("image-classification", model=str(path), **options)

    def run(self, job: dict[str, Any]) -> list[list[Any]]:
        return [[[one["label"], one["score"]] for one in each] for each in self.pipe(job["pictures"])]


class Embedder(Qkv):
    """pipeline("feature-extraction"), mean over tokens."""

    def __init__(self, spec: dict[str, Any]):
        from qkv import pipeline

        super().__init__(spec)
        path, options = source(spec)
        self.pipe = pipeline("feature-extraction", model=str(path), **options)

    def run(self, job: dict[str, Any]) -> list[list[float]]:
        return self.pipe(job["texts"], pooling="mean", return_tensors="np", truncation=True)[:, :4].tolist()


class Tuner(Qkv, Learner):
    """Trainer, as it comes."""

    def __init__(self, spec: dict[str, Any]):
        import qkv

        Qkv.__init__(self, spec)
        Learner.__init__(self, spec, qkv)


class Generator(Qkv):
    """generate()."""

    def __init__(self, spec: dict[str, Any]):
        from qkv import AutoModelForCausalLM

        super().__init__(spec)
        path, options = source(spec)
        self.model = AutoModelForCausalLM.from_pretrained(path, **options)
        self.model.generation_config.eos_token_id = None

    def run(self, job: dict[str, Any]) -> list[list[int]]:
        import torch

        ids = torch.tensor(job["prompts"])
        found = self.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=job["new"], pad_token_id=0,
            num_beams=job.get("beams", 1),
        )  # fmt: skip
        return found[:, ids.shape[1] :].tolist()
