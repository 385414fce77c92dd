"""Random models of the published shapes, and each of them in every peer's own format: once, into a folder.

    .venvs/bench/bin/python benchmarks/convert.py .cache/bench [--models distilbert bert gpt2 llama vit]

What exists is kept. A conversion that fails is written down with its reason in absent.json, and the benchmarks show the
reason in the place of a figure. Runs in the peers' environment: nothing here imports qkv.

    models/<name>/                      what transformers saved: the one set of weights that all peers get
    onnx/<name>-<head>-{fp32,int8}.onnx ov/<name>-<head>-{fp32,int8}.xml        head: classify, embed, picture
    pictures/<n>.jpg
    ct2/<name>-{fp32,int8}/             gguf/<name>-{f32,f16,q8_0,q4_0}.gguf    genai/<name>-{fp32,int4}/
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import data
import gguf_names
from peers import view

from models import DECODERS, ENCODERS, PICTURES, make_model

ALL = [*ENCODERS, *DECODERS, *PICTURES]

# ------------------------------------------------------------------------------------------------ ONNX, OpenVINO


def make_onnx(source: Path, head: str, target: Path) -> None:
    """input_ids, attention_mask (rows, tokens) -> logits or last_hidden_state, with ONNX Runtime's own fusions."""
    import torch
    from onnxruntime.transformers import optimizer
    from transformers import AutoModel, AutoModelForSequenceClassification

    kind, output = (AutoModelForSequenceClassification, "logits") if head == "classify" else (AutoModel, "states")
    model = kind.from_pretrained(source, attn_implementation="eager").eval()

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, input_ids, attention_mask):
            return self.inner(input_ids=input_ids, attention_mask=attention_mask)[0]

    ids = torch.ones(2, 16, dtype=torch.long)
    names = ["input_ids", "attention_mask"]
    axes = dict.fromkeys([*names, output], {0: "rows", 1: "tokens"}) | (
        {output: {0: "rows"}} if output == "logits" else {}
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    raw = target.with_suffix(".raw.onnx")
    torch.onnx.export(
        Plain(), (ids, ids), str(raw), input_names=names, output_names=[output], dynamic_axes=axes, dynamo=False,
        opset_version=17,
    )  # fmt: skip
    fields = json.loads((source / "config.json").read_text())
    heads, width = (
        (fields.get("num_attention_heads") or fields["n_heads"]),
        (fields.get("hidden_size") or fields["dim"]),
    )
    fused = optimizer.optimize_model(str(raw), "bert", num_heads=heads, hidden_size=width)
    fused.save_model_to_file(str(target))
    print(f"{target.name}: fused {fused.get_fused_operator_statistics()}")


def quantize_onnx(source: Path, target: Path) -> None:
    """int8 weights by row, activations quantised as they come."""
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    options = {"DefaultTensorType": TensorProto.FLOAT}  # of what its shape inference does not know: fused nodes
    products = ["Attention", "Gemm", "MatMul"]  # a convolution of patches is slower in int8
    quantize_dynamic(
        source, target, weight_type=QuantType.QInt8, per_channel=True, extra_options=options,
        op_types_to_quantize=None if "picture" not in source.name else products,
    )  # fmt: skip


def make_onnx_of_pictures(source: Path, target: Path) -> None:
    """pixel_values (B,3,224,224) -> logits (B,1000), with ONNX Runtime's own fusions."""
    import torch
    from onnxruntime.transformers import optimizer
    from transformers import AutoModelForImageClassification

    model = AutoModelForImageClassification.from_pretrained(source, attn_implementation="eager").eval()

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, pixel_values):
            return self.inner(pixel_values=pixel_values).logits

    target.parent.mkdir(parents=True, exist_ok=True)
    raw, axes = target.with_suffix(".raw.onnx"), {"pixel_values": {0: "rows"}, "logits": {0: "rows"}}
    torch.onnx.export(
        Plain(), (torch.zeros(2, 3, 224, 224),), str(raw), input_names=["pixel_values"], output_names=["logits"],
        dynamic_axes=axes, dynamo=False, opset_version=17,
    )  # fmt: skip
    heads, width = model.config.num_attention_heads, model.config.hidden_size
    fused = optimizer.optimize_model(str(raw), "vit", num_heads=heads, hidden_size=width)
    fused.save_model_to_file(str(target))
    print(f"{target.name}: fused {fused.get_fused_operator_statistics()}")


def make_openvino(raw: Path, target: Path) -> None:
    import openvino

    target.parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(openvino.convert_model(raw), target, compress_to_fp16=False)


def quantize_openvino(source: Path, target: Path) -> None:
    """int8 weights and activations (nncf's post-training quantisation for transformers, calibrated on 64 rows)."""
    import nncf
    import numpy
    import openvino

    if "picture" in source.name:
        files = data.pictures(source.parents[1])
        inputs = [{"pixel_values": view(file)[None]} for file in files[:32]]
        small = nncf.quantize(
            openvino.Core().read_model(source), nncf.Dataset(inputs), model_type=nncf.ModelType.TRANSFORMER,
            subset_size=32,
        )  # fmt: skip
        openvino.save_model(small, target, compress_to_fp16=False)
        return
    tokens = [row[:128] for row in data.ids(data.texts(64), source.parents[1] / "models" / "distilbert")]
    inputs = [{"input_ids": numpy.array([row]), "attention_mask": numpy.ones((1, len(row)), int)} for row in tokens]
    small = nncf.quantize(
        openvino.Core().read_model(source), nncf.Dataset(inputs), model_type=nncf.ModelType.TRANSFORMER, subset_size=64
    )
    openvino.save_model(small, target, compress_to_fp16=False)


# ------------------------------------------------------------------------------------------------ the decoders'


def make_ct2(source: Path, quantization: str | None, target: Path) -> None:
    import transformers
    from ctranslate2.converters import TransformersConverter

    # Its converter asks for what configs no longer have; these models are of the only kind that is left.
    transformers.BertConfig.position_embedding_type = "absolute"
    TransformersConverter(str(source)).convert(str(target), quantization=quantization)


def make_gguf(source: Path, target: Path) -> None:
    """float32, without a vocabulary: ids go in and come out."""
    import gguf
    from safetensors.numpy import load_file

    target.parent.mkdir(parents=True, exist_ok=True)
    fields = json.loads((source / "config.json").read_text())
    architecture, settings, tensors = gguf_names.translate(fields, load_file(source / "model.safetensors"))
    writer = gguf.GGUFWriter(str(target), architecture)
    for name, value in settings.items():
        getattr(writer, f"add_{name}")(value)
    for name, tensor in tensors:
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantize_gguf(source: Path, kind: str, target: Path) -> None:
    """With llama.cpp's own quantiser and its defaults."""
    import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind.upper()}")
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), params):
        raise RuntimeError(f"llama.cpp's quantiser refused {source.name}")


def make_genai(source: Path, precision: str, target: Path) -> None:
    """ONNX Runtime GenAI's own builder, with its defaults for a CPU."""
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", str(source), "-o", str(target)]
    command += ["-p", precision, "-e", "cpu", "-c", str(target.parent / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["its builder failed"])[-1])


# ------------------------------------------------------------------------------------------------ all of it


def products(cache: Path, name: str) -> list[tuple[str, Callable[[Path], None]]]:
    """Paths below `cache` and what makes them, in an order in which each finds what it is made from."""
    source = cache / "models" / name
    steps: list[tuple[str, Callable[[Path], None]]] = [(f"models/{name}", partial(make_model, name))]
    if name in PICTURES:
        steps.insert(0, ("pictures", lambda _: data.make_pictures(cache)))
    if name not in DECODERS:
        for head in ("picture",) if name in PICTURES else ("classify", "embed"):
            stem = f"{name}-{head}"
            full, raw = cache / f"onnx/{stem}-fp32.onnx", cache / f"onnx/{stem}-fp32.raw.onnx"
            plain = cache / f"ov/{stem}-fp32.xml"
            steps += [
                (
                    f"onnx/{stem}-fp32.onnx",
                    partial(make_onnx_of_pictures, source) if name in PICTURES else partial(make_onnx, source, head),
                ),
                (f"onnx/{stem}-int8.onnx", partial(quantize_onnx, full)),
                (f"ov/{stem}-fp32.xml", partial(make_openvino, raw)),
                (f"ov/{stem}-int8.xml", partial(quantize_openvino, plain)),
            ]
    else:
        full = cache / f"gguf/{name}-f32.gguf"
        steps.append((f"gguf/{name}-f32.gguf", partial(make_gguf, source)))
        steps += [(f"gguf/{name}-{kind}.gguf", partial(quantize_gguf, full, kind)) for kind in ("f16", "q8_0", "q4_0")]
        steps += [(f"genai/{name}-{kind}", partial(make_genai, source, kind)) for kind in ("fp32", "int4")]
    if name in PICTURES:
        return steps
    steps += [
        (f"ct2/{name}-fp32", partial(make_ct2, source, None)),
        (f"ct2/{name}-int8", partial(make_ct2, source, "int8")),
    ]
    return steps


def remove(target: Path) -> None:
    shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--models", nargs="+", default=ALL, choices=ALL)
    args = parser.parse_args()
    args.cache = args.cache.resolve()
    args.cache.mkdir(parents=True, exist_ok=True)
    record = args.cache / "absent.json"
    absent = json.loads(record.read_text()) if record.exists() else {}
    for name in args.models:
        for path, make in products(args.cache, name):
            target = args.cache / path
            if target.exists():
                continue
            absent.pop(path, None)
            try:
                make(target)
                print(f"{path}: made", flush=True)
            except Exception as error:  # of any library: the reason is what a reader of the table needs
                words = " ".join(str(error).replace(f"{args.cache}/", "").split())
                absent[path] = f"{type(error).__name__}: {words}"[:200]
                print(f"{path}: {absent[path]}", file=sys.stderr, flush=True)
                remove(target)
            except BaseException:  # interrupted: what is half made would be taken for made
                remove(target)
                raise
            record.write_text(json.dumps(absent, indent=2) + "\n")


if __name__ == "__main__":
    main()
