"""The lesson's block on pictures, verbatim but for the name of the package, from a Hub nearby."""

import os
import subprocess
import sys

from hub_server import HubServer
from tiny_pictures import LABELS, make_vit, pictures

BLOCK = """
from qkv import ViTImageProcessor, ViTForImageClassification
from PIL import Image

processor = ViTImageProcessor.from_pretrained('google/vit-base-patch16-224')
model = ViTForImageClassification.from_pretrained('google/vit-base-patch16-224')

# Load image
image = Image.open('cat.jpg')

# Process and predict
inputs = processor(images=image, return_tensors="pt")
outputs = model(**inputs)
logits = outputs.logits

# Get prediction
predicted_class = logits.argmax(-1).item()
print(f"Predicted class: {model.config.id2label[predicted_class]}")
"""
PIPELINE = """
from qkv import pipeline
print(pipeline("image-classification", model='google/vit-base-patch16-224')("cat.jpg")[0]["label"])
"""


def test_the_lesson(tmp_path):
    pictures()[0].save(tmp_path / "cat.jpg")
    folder = make_vit(tmp_path / "vit")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    with HubServer() as hub:
        hub.add("google/vit-base-patch16-224", {path.name: path.read_bytes() for path in folder.iterdir()})
        env |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        env |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        said = []
        for code in (BLOCK, PIPELINE):
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, env=env
            )
            assert (done.returncode, done.stderr) == (0, "")
            said.append(done.stdout.strip())
    assert said[0] == f"Predicted class: {said[1]}" and said[1] in LABELS
