"""Draw docs/detection.jpg, segmentation.jpg and depth.jpg with the code that draws results.

    python tools/docs_pictures.py COFFEE      # scikit-image's coffee.png (CC0, photograph by Rachel Michetti)

The boxes and masks on the photograph are given by hand: no model that finds them is small enough to come along. The
depth is a model's own: a small DPT that is trained here, on scenes of spheres drawn by a rule, and shown one that it
has not seen. Three minutes on two cores.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from qkv import DPTConfig, DPTForDepthEstimation, DPTImageProcessor, pipeline
from qkv.pipelines.drawn import Boxes, Segments

DOCS = Path(__file__).parent.parent / "docs"
STEPS = 400


def ellipse(size: tuple[int, int], *boxes: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size)
    for box in boxes:
        ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask


def photograph(path: str) -> None:
    size = Image.open(path).size
    sides = ("xmin", "ymin", "xmax", "ymax")
    found = [
        ("cup", 0.99, (172, 17, 410, 308)),
        ("spoon", 0.97, (325, 66, 426, 327)),
        ("saucer", 0.93, (76, 62, 481, 388)),
    ]
    boxes = [{"label": label, "score": score, "box": dict(zip(sides, box, strict=True))} for label, score, box in found]
    Boxes(boxes, path).draw(DOCS / "detection.jpg")
    cup, coffee, saucer = (
        np.asarray(ellipse(size, *boxes)) > 0
        for boxes in ([(172, 17, 410, 210), (183, 100, 396, 284)], [(205, 95, 370, 193)], [(76, 62, 481, 388)])
    )
    masks = {"cup": cup & ~coffee, "coffee": coffee, "saucer": saucer & ~cup}
    parts = [{"label": label, "score": 0.99 - 0.02 * i, "mask": mask} for i, (label, mask) in enumerate(masks.items())]
    Segments(parts, path).draw(DOCS / "segmentation.jpg")


def scene(random: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture (H,W,3) of spheres on a chequered floor, and 1 / distance at each place (H,W)."""
    v, u = np.mgrid[:height, :width]
    ray = np.stack([(u - width / 2) / height, (v - height / 2) / height, np.ones((height, width))], -1)
    far = np.full((height, width), 9.0)
    floor = np.where(ray[..., 1] > 1e-3, 0.8 / np.maximum(ray[..., 1], 1e-3), np.inf)
    depth = np.minimum(far, floor)
    place = ray * depth[..., None]
    dark = (np.floor(place[..., 0]) + np.floor(place[..., 2])) % 2 < 0.5
    colour = np.where((floor < far)[..., None], np.where(dark[..., None], 0.35, 0.75) * random.uniform(0.6, 1, 3), random.uniform(0.3, 0.9, 3))  # fmt: skip # noqa: E501
    light = np.asarray([-0.5, -0.7, -0.5])
    for _ in range(random.integers(2, 6)):
        radius, z = random.uniform(0.25, 0.7), random.uniform(2, 7)
        centre = np.asarray([random.uniform(-0.45, 0.45) * z * width / height, 0.8 - radius, z])
        a, b = (ray**2).sum(-1), ray @ centre
        inside = b * b - a * (centre @ centre - radius**2)
        near = np.where(inside > 0, (b - np.sqrt(np.maximum(inside, 0))) / a, np.inf)
        hit = near < depth
        depth = np.where(hit, near, depth)
        normal = (ray * np.where(hit, near, 0)[..., None] - centre) / radius
        shade = 0.3 + 0.7 * np.clip(normal @ light, 0, 1)
        colour = np.where(hit[..., None], shade[..., None] * random.uniform(0.3, 1, 3), colour)
    return (colour * 255).clip(0, 255).astype(np.uint8), (1 / depth).astype(np.float32)


def depth() -> None:
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    model = DPTForDepthEstimation(
        DPTConfig(
            hidden_size=96, num_hidden_layers=4, num_attention_heads=4, intermediate_size=192, image_size=96,
            patch_size=8, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[24, 24, 24, 24], fusion_hidden_size=24,
        )
    )  # fmt: skip
    processor = DPTImageProcessor(size=96, keep_aspect_ratio=True, ensure_multiple_of=8)
    torch.nn.init.constant_(model.head.last.bias, 0.2)  # a ReLU follows: it has to begin above 0
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, STEPS)
    for step in range(STEPS):
        made = [scene(random, 96, 144 if step % 2 else 96) for _ in range(8)]
        inputs = processor([picture for picture, _ in made], return_tensors="pt")
        wanted = torch.from_numpy(np.stack([one for _, one in made]))
        found = F.interpolate(model(**inputs).predicted_depth[:, None], wanted.shape[1:], mode="bilinear")[:, 0]
        loss = (found - wanted).abs().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if step % 50 == 49:
            print(f"step {step + 1}: mean error {loss.item():.4f} of {wanted.mean().item():.3f}", flush=True)
    picture, wanted = scene(np.random.default_rng(7), 300, 450)
    result = pipeline("depth-estimation", model=model, image_processor=processor)(Image.fromarray(picture))
    result.draw(DOCS / "depth.jpg")
    print(f"unseen: mean error {np.abs(result['predicted_depth'].numpy() - wanted).mean():.4f} of {wanted.mean():.3f}")


if __name__ == "__main__":
    photograph(sys.argv[1])
    depth()
