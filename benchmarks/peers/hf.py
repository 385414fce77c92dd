"""transformers, on torch. Variants: "pipeline-N" (its pipeline at batch size N), "sorted" (its model, batches sorted by
length), "fp32" (generate), "trainer-padded" and "trainer-grouped" (its Trainer)."""

from typing import Any

from . import Encoder, Learner, folder


def make(spec: dict[str, Any]) -> Any:
    kinds = {"classify": Classifier if spec["variant"].startswith("pipeline") else Sorted, "embed": Sorted}
    kinds |= {"train": Tuner, "picture": Pictures}
    return kinds.get(spec["task"], Generator)(spec)


class Torch:
    """What all of them report."""

    def threads(self) -> int:
        import torch

        return torch.get_num_threads()

    def version(self) -> str:
        import transformers

        return f"transformers {transformers.__version__}"


class Classifier(Torch):
    """pipeline("text-classification")."""

    def __init__(self, spec: dict[str, Any]):
        from transformers import pipeline

        _, _, size = spec["variant"].partition("-")
        self.pipe, self.size = pipeline("text-classification", model=str(folder(spec)), device="cpu"), int(size)

    def run(self, job: dict[str, Any]) -> list[list[Any]]:
        found = self.pipe(job["texts"], batch_size=self.size, truncation=True)
        return [[each["label"], each["score"]] for each in found]


class Pictures(Torch):
    """pipeline("image-classification")."""

    def __init__(self, spec: dict[str, Any]):
        from transformers import pipeline

        _, _, size = spec["variant"].partition("-")
        self.pipe, self.size = pipeline("image-classification", model=str(folder(spec)), device="cpu"), int(size)

    def run(self, job: dict[str, Any]) -> list[list[Any]]:
        found = self.pipe(job["pictures"], batch_size=self.size)
        return [[[one["label"], one["score"]] for one in each] for each in found]


class Sorted(Torch, Encoder):
    """Its model on sorted batches of a token budget: what a careful user writes."""

    def __init__(self, spec: dict[str, Any]):
        from transformers import AutoModel, AutoModelForSequenceClassification

        super().__init__(spec)
        kind = AutoModelForSequenceClassification if spec["task"] == "classify" else AutoModel
        self.model = kind.from_pretrained(folder(spec)).eval()

    def forward(self, ids: Any, mask: Any) -> Any:
        import torch

        with torch.inference_mode():
            return self.model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))[0].numpy()


class Tuner(Torch, Learner):
    """Trainer: texts padded to the most tokens, or batches of texts of like length."""

    def __init__(self, spec: dict[str, Any]):
        import transformers

        if spec["variant"] == "trainer-padded":
            super().__init__(spec, transformers, padding=True)
        else:
            super().__init__(spec, transformers, train_sampling_strategy="group_by_length")


class Generator(Torch):
    """generate()."""

    def __init__(self, spec: dict[str, Any]):
        from transformers import AutoModelForCausalLM

        self.model = AutoModelForCausalLM.from_pretrained(folder(spec)).eval()
        self.model.generation_config.eos_token_id = None

    def run(self, job: dict[str, Any]) -> list[list[int]]:
        import torch

        ids = torch.tensor(job["prompts"])
        found = self.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=job["new"], pad_token_id=0,
            num_beams=job.get("beams", 1),
        )  # fmt: skip
        return found[:, ids.shape[1] :].tolist()
