"""depth-estimation: how far each place of a picture is."""

from typing import Any

import numpy as np

from ..outputs import DepthEstimatorOutput
from ..preprocessing.image import from_array
from .drawn import Depth
from .pictures import PicturePipeline


class DepthEstimationPipeline(PicturePipeline):
    """Pictures -> {"predicted_depth", "depth"} each: a tensor (H,W), and the same as a picture, its largest number
    white. Most models give larger numbers to what is nearer; those called metric give metres.

    An input is a path, a URL, bytes, base64 text, a PIL.Image, or an array or tensor; a list gives a list of results.
    """

    task = "depth-estimation"
    needs = ("predicted_depth",)
    finishes = "post_process_depth_estimation"
    drawn = Depth

    def postprocess(self, outputs: list[Any], options: Any) -> dict[str, Any]:
        made = DepthEstimatorOutput(predicted_depth=outputs[0]["predicted_depth"][None])
        depth = self.image_processor.post_process_depth_estimation(made, [outputs[0]["size"]])[0]["predicted_depth"]
        x = depth.numpy()
        x = (x - x.min()) / ((x.max() - x.min()) or 1)
        return {"predicted_depth": depth, "depth": from_array((x * 255).astype(np.uint8))}
