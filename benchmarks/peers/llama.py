"""llama.cpp, through the C functions that llama-cpp-python hands on. Variants: "f32", "f16", "q8_0", "q4_0"."""

from pathlib import Path
from typing import Any

ROOM = 256  # tokens of a row beside its prompt


def make(spec: dict[str, Any]) -> Any:
    return LlamaCpp(spec)


class LlamaCpp:
    """Greedy decoding of rows of one length, all rows in one call per step; no beams."""

    def __init__(self, spec: dict[str, Any]):
        import llama_cpp

        self.c = llama_cpp
        self.c.llama_backend_init()
        path = Path(spec["cache"]) / "gguf" / f"{spec['model']}-{spec['variant']}.gguf"
        self.model = self.c.llama_model_load_from_file(str(path).encode(), self.c.llama_model_default_params())
        if not self.model:
            raise ValueError(f"llama.cpp does not load {path.name}")
        self.vocabulary = self.c.llama_vocab_n_tokens(self.c.llama_model_get_vocab(self.model))
        self.count, self.context, self.size = spec["threads"], None, (0, 0)
        self._make(1, 512)

    def _make(self, rows: int, tokens: int) -> None:
        if self.size == (rows, tokens):
            return
        if self.context:
            self.c.llama_free(self.context)
        params = self.c.llama_context_default_params()
        params.n_ctx, params.n_seq_max, params.kv_unified = rows * tokens, rows, False
        params.n_batch = params.n_ubatch = max(512, rows * 64)
        params.n_threads = params.n_threads_batch = self.count
        self.context = self.c.llama_init_from_model(self.model, params)
        if not self.context:
            raise ValueError(f"llama.cpp makes no context of {rows} x {tokens} tokens")
        self.size = (rows, tokens)

    def threads(self) -> int:
        return max(self.c.llama_n_threads(self.context), self.c.llama_n_threads_batch(self.context))

    def version(self) -> str:
        return f"llama-cpp-python {self.c.__version__}"

    def run(self, job: dict[str, Any]) -> list[list[int]]:
        prompts, new = job["prompts"], job["new"]
        rows, length = len(prompts), len(prompts[0])
        self._make(rows, -(-(length + new) // ROOM) * ROOM)
        self.c.llama_memory_clear(self.c.llama_get_memory(self.context), True)
        batch = self.c.llama_batch_init(rows * length, 0, rows)
        found: list[list[int]] = [[] for _ in prompts]
        fed = prompts
        for step in range(new):
            start = 0 if step == 0 else length + step - 1
            last = self._fill(batch, fed, start)
            if self.c.llama_decode(self.context, batch):
                raise RuntimeError("llama_decode failed")
            fed = [[self._best(place)] for place in last]
            for row, ids in zip(found, fed, strict=True):
                row += ids
        self.c.llama_batch_free(batch)
        return found

    def _fill(self, batch: Any, rows: list[list[int]], start: int) -> list[int]:
        """Put rows of ids into a batch, and say where each one's last id is."""
        place, last = 0, []
        for row, ids in enumerate(rows):
            for i, token in enumerate(ids):
                batch.token[place], batch.pos[place] = token, start + i
                batch.n_seq_id[place], batch.seq_id[place][0] = 1, row
                batch.logits[place] = i == len(ids) - 1
                place += 1
            last.append(place - 1)
        batch.n_tokens = place
        return last

    def _best(self, place: int) -> int:
        import numpy

        logits = self.c.llama_get_logits_ith(self.context, place)
        return int(numpy.ctypeslib.as_array(logits, (self.vocabulary,)).argmax())
