"""What maps of depth become: as large as their pictures. Mixed into the image processors of models."""

from typing import Any

from .batch import parts_of
from .masks import Sizes, sizes_of


class DepthMaps:
    """Of models that say how far each place of a picture is."""

    def post_process_depth_estimation(self, outputs: Any, target_sizes: Sizes = None) -> list[dict[str, Any]]:
        """{"predicted_depth": (H,W)} for each picture, of the size of the picture.

        Args:
            outputs: of the model.
            target_sizes: (H,W) of each picture; the size of the model's map if None.

        Raises: ValueError if there are not as many sizes as pictures, or the outputs have no depth.
        """
        import torch.nn.functional as F

        (maps,), found = parts_of(outputs, "predicted_depth"), []
        for x, size in zip(maps, sizes_of(target_sizes, len(maps)), strict=True):
            if size is not None:
                x = F.interpolate(x[None, None], size, mode="bicubic", align_corners=False)[0, 0]
            found.append({"predicted_depth": x})
        return found
