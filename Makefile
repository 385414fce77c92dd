# make demo    an environment, then the main job on real text; no download of models
# make test    the tests
# make check   format, lint, types, line budgets, then the tests
# make parity  the tests with real weights and against the reference library itself, in environments of their own
# make bench   speed, as ratios in one run
# make docs    run every code block of README and docs

PYTHON ?= python3
PY := .venv/bin/python
CACHE ?= $(CURDIR)/.cache/real

.PHONY: demo test check parity bench docs env real peers goldens generation-goldens clean

demo: env
	@echo
	.venv/bin/qkv run sentiment-analysis "I love this product!" "This is terrible." "Not bad at all, I would buy it again."

test: env
	$(PY) -m pytest

check: env
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/pyright
	$(PY) tools/size.py
	$(PY) -m pytest

parity: env real peers
	QKV_REAL_MODELS=$(CACHE) QKV_PEER5=$(CURDIR)/.venvs/peer5/bin/python QKV_PEER4=$(CURDIR)/.venvs/peer4/bin/python $(PY) -m pytest tests/parity -rs

bench: env
	$(PY) benchmarks/startup.py
	$(PY) benchmarks/generation.py

docs: env
	$(PY) -m pytest tests/e2e/test_docs.py

env: .venv/.done

# The CPU build of torch first: a bare `torch` would bring gigabytes of CUDA.
.venv/.done: pyproject.toml
	$(PYTHON) -m venv .venv
	$(PY) -m pip install -q --upgrade pip
	$(PY) -m pip install -q torch==2.13.0
	$(PY) -m pip install -q -e . --group dev
	touch $@

real: env
	$(PY) tests/real.py $(CACHE)

VERSION_5 := 5.23.0
VERSION_4 := 4.57.6
VERSION_455 := 4.55.4

peers: .venvs/peer5/.done .venvs/peer4/.done

.venvs/peer%/.done:
	$(PYTHON) -m venv .venvs/peer$*
	.venvs/peer$*/bin/pip install -q torch==2.13.0
	.venvs/peer$*/bin/pip install -q transformers==$(VERSION_$*) sentencepiece protobuf gguf accelerate
	touch $@

goldens: peers
	.venvs/peer5/bin/python tools/golden.py
	.venvs/peer4/bin/python tools/golden.py

# 4.55.4 is the last that has group beams, contrastive search, DoLa and constraints.
generation-goldens: peers real .venvs/peer455/.done
	.venvs/peer5/bin/python tools/golden_generation.py
	.venvs/peer455/bin/python tools/golden_generation.py
	.venvs/peer455/bin/python tools/golden_search.py
	.venvs/peer5/bin/python tools/golden_smollm2.py $(CACHE)

clean:
	rm -rf .venv .venvs .cache
