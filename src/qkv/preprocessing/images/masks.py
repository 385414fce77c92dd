"""What scores of a model become: maps of classes, of things, and of both. Mixed into the image processors of models.

Shapes: B pictures, Q queries, L labels, h x w of a model's map, H x W of a picture.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .batch import BatchFeature, parts_of
from .sizes import pairs

if TYPE_CHECKING:
    from torch import Tensor

Sizes = Any  # (height, width) of each picture, as pairs or a tensor (B,2)
MEMORY = 64_000_000  # numbers of enlarged scores at a time


class SemanticMaps:
    """Of models that score each place for each label."""

    def class_scores(self, outputs: Any) -> "Tensor":
        """(B,L,h,w)"""
        return parts_of(outputs, "logits")[0]

    def post_process_semantic_segmentation(
        self, outputs: Any, target_sizes: Sizes = None, return_segmentation_scores: bool = False
    ) -> list[Any]:
        """The class of each place: a tensor of indices (H,W), int64, for each picture.

        Args:
            outputs: of the model.
            target_sizes: (H,W) of each picture; the size of the model's map if None.
            return_segmentation_scores: for each picture {"segmentation", "segmentation_scores"}, these (L,H,W).

        Raises: ValueError if there are not as many sizes as pictures.
        """
        scores = self.class_scores(outputs)
        found = list(zip(scores, sizes_of(target_sizes, len(scores)), strict=True))
        if not return_segmentation_scores:
            return [best_class(one, size) for one, size in found]
        full = [enlarged(one, size) for one, size in found]
        return [BatchFeature({"segmentation": one.argmax(0), "segmentation_scores": one}) for one in full]


class QueryMasks(SemanticMaps):
    """Of models whose queries are each a class and a mask (MaskFormer: Cheng et al., 2021)."""

    def queries(self, outputs: Any) -> "tuple[Tensor, Tensor]":
        """Scores of classes (B,Q,L+1), the last for "nothing", and masks (B,Q,h,w)."""
        return parts_of(outputs, "class_queries_logits", "masks_queries_logits")

    def class_scores(self, outputs: Any) -> "Tensor":
        import torch

        classes, masks = self.queries(outputs)
        return torch.einsum("bqc,bqhw->bchw", classes.softmax(-1)[..., :-1], masks.sigmoid())

    def post_process_panoptic_segmentation(
        self, outputs: Any, threshold: float = 0.5, mask_threshold: float = 0.5,
        overlap_mask_area_threshold: float = 0.8, label_ids_to_fuse: Collection[int] | None = None,
        target_sizes: Sizes = None,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """The segment that each place is of, by its id, and what the segments are.

        Args:
            outputs: of the model.
            threshold: queries that are less certain of their class are left out.
            mask_threshold: where a mask is at least so likely, it is counted as the query's area.
            overlap_mask_area_threshold: segments that keep less of that area, as others cover it, are left out.
            label_ids_to_fuse: labels of which there is one segment at most, such as the sky.
            target_sizes: (H,W) of each picture; the size of the model's map if None.

        Gives: for each picture {"segmentation": ids (H,W), 0 where nothing is, -1 everywhere if there is no segment,
            "segments_info": [{"id", "label_id", "was_fused", "score"}]}.
        """
        classes, masks = self.queries(outputs)
        scores, labels = classes.softmax(-1).max(-1)  # (B,Q)
        sizes, found = sizes_of(target_sizes, len(masks)), []
        for i, size in enumerate(sizes):
            kept = (labels[i] != classes.shape[-1] - 1) & (scores[i] > threshold)
            fused = label_ids_to_fuse or ()
            given = masks[i][kept], scores[i][kept], labels[i][kept]
            found.append(segmented(*given, size, mask_threshold, overlap_mask_area_threshold, fused))
        return found

    def post_process_instance_segmentation(
        self, outputs: Any, threshold: float = 0.5, mask_threshold: float = 0.5,
        overlap_mask_area_threshold: float = 0.8, target_sizes: Sizes = None, return_coco_annotation: bool = False,
        return_binary_maps: bool = False,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """The thing that each place is of, by its id from 0; -1 where nothing is. Later ones lie on earlier ones.

        Args:
            outputs: of the model.
            threshold: things of which class and mask together are less certain are left out.
            mask_threshold, overlap_mask_area_threshold: read by nothing, as things may overlap.
            target_sizes: (H,W) of each picture; the size of the model's map if None.
            return_coco_annotation: the map as run lengths, see `run_lengths`.
            return_binary_maps: a mask of each thing (n,H,W) in place of the map.

        Gives: as `post_process_panoptic_segmentation`.
        """
        import torch

        if return_coco_annotation and return_binary_maps:
            raise ValueError("return_coco_annotation and return_binary_maps exclude each other: give one of them.")
        classes, masks = self.queries(outputs)
        count, results = classes.shape[-1] - 1, []
        for i, size in enumerate(sizes_of(target_sizes, len(masks))):
            likely, best = classes[i].softmax(-1)[:, :-1].flatten().topk(classes.shape[1], sorted=False)
            given = masks[i][best.div(count, rounding_mode="floor")]  # (Q,h,w)
            inside = (given > 0).float()
            certain = (given.sigmoid() * inside).flatten(1).sum(1) / (inside.flatten(1).sum(1) + 1e-6)
            scores, labels = (likely * certain).tolist(), (best % count).tolist()
            if size is not None:
                inside = torch.nn.functional.interpolate(inside[None], size, mode="nearest")[0]
            found = [q for q in range(len(inside)) if scores[q] >= threshold and inside[q].any()]
            ids: Any = torch.full(inside.shape[1:], -1.0, device=inside.device)
            for number, q in enumerate(found):
                ids[inside[q] == 1] = number
            info = [
                {"id": n, "label_id": labels[q], "was_fused": False, "score": round(scores[q], 6)}
                for n, q in enumerate(found)
            ]
            if return_coco_annotation:
                ids = run_lengths(ids)
            results.append(
                {"segmentation": inside[found] if return_binary_maps and found else ids, "segments_info": info}
            )
        return results


class LargeQueryMasks(QueryMasks):
    """Of Mask2Former: masks are first made 384 x 384, whatever the size of the picture was."""

    def queries(self, outputs: Any) -> "tuple[Tensor, Tensor]":
        classes, masks = super().queries(outputs)
        return classes, enlarged(masks, (384, 384))


class DetrMasks(QueryMasks):
    """Of DETR's segmentation."""

    def queries(self, outputs: Any) -> "tuple[Tensor, Tensor]":
        return parts_of(outputs, "logits", "pred_masks")

    def post_process_instance_segmentation(  # type: ignore[override]
        self, outputs: Any, threshold: float = 0.5, mask_threshold: float = 0.5,
        overlap_mask_area_threshold: float = 0.8, target_sizes: Sizes = None, return_coco_annotation: bool = False,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """As `post_process_panoptic_segmentation`, with no labels fused.

        return_coco_annotation: the map as run lengths, see `run_lengths`.
        """
        found = self.post_process_panoptic_segmentation(
            outputs, threshold, mask_threshold, overlap_mask_area_threshold, (), target_sizes
        )
        for one in found if return_coco_annotation else ():
            if not one["segmentation"].is_floating_point():  # as it is where no query was certain
                one["segmentation"] = run_lengths(one["segmentation"])
        return found


def sizes_of(sizes: Sizes, count: int) -> Sequence[tuple[int, int] | None]:
    """(height, width) of each picture; None for the size that a map has. Raises: ValueError as `pairs`."""
    return [None] * count if sizes is None else pairs("target_sizes", sizes, count)


def enlarged(maps: "Tensor", size: tuple[int, int] | None) -> "Tensor":
    """Maps (...,n,h,w) in another size."""
    import torch

    if size is None:
        return maps
    batch = maps if maps.dim() == 4 else maps[None]
    made = torch.nn.functional.interpolate(batch, size, mode="bilinear", align_corners=False)
    return made if maps.dim() == 4 else made[0]


def best_class(scores: "Tensor", size: tuple[int, int] | None) -> "Tensor":
    """The label (H,W) that has the most of scores (L,h,w)."""
    return leaders(enlarged(part, size) for part in parts(scores, size))


def parts(maps: "Tensor", size: tuple[int, int] | None) -> "tuple[Tensor, ...]":
    """Maps (n,h,w), as many at a time as memory is for when they are enlarged."""
    height, width = size or maps.shape[1:]
    return maps.split(max(MEMORY // (height * width), 1))


def leaders(maps: "Iterable[Tensor]") -> "Tensor":
    """The number (H,W) of the map that is the greatest at each place, of maps (n,H,W) that come a few at a time."""
    rest = iter(maps)
    first = next(rest)
    (best, leader), start = first.max(0), len(first)
    for part in rest:
        values, found = part.max(0)
        better = values > best
        leader[better] = found[better] + start
        best[better] = values[better]
        start += len(part)
    return leader


def segmented(  # noqa: PLR0913 (what is found, and the field's three settings)
    masks: "Tensor", scores: "Tensor", labels: "Tensor", size: tuple[int, int] | None, mask_threshold: float,
    overlap: float, fused: Collection[int],
) -> dict[str, Any]:  # fmt: skip
    """Each place given to the query that is the most certain of it.

    Args:
        masks: of queries (n,h,w), before the sigmoid.
        scores, labels: of the queries (n,).
        overlap: how much of what a query is certain of it must get.
    """
    import torch

    shape: tuple[int, int] = (masks.shape[1], masks.shape[2]) if size is None else size
    if not len(masks):
        return {"segmentation": torch.full(shape, -1.0), "segments_info": []}
    certain: list[Tensor] = []

    def weighed() -> "Iterator[Tensor]":
        for part, score in zip(parts(masks, size), parts(scores[:, None, None], shape), strict=True):
            likely = enlarged(part.sigmoid(), size) * score
            certain.append((likely >= mask_threshold).flatten(1).sum(1))
            yield likely

    leader = leaders(weighed())  # (H,W)
    got, area = torch.bincount(leader.flatten(), minlength=len(masks)), torch.cat(certain)
    kept = (got > 0) & (area > 0) & (got / area > overlap)
    ids = torch.zeros(shape, dtype=torch.int32, device=masks.device)
    info: list[dict[str, Any]] = []
    for q in kept.nonzero()[:, 0].tolist():
        label = int(labels[q])
        same = next((one["id"] for one in info if one["was_fused"] and one["label_id"] == label), None)
        number = max((one["id"] for one in info), default=0) + 1 if same is None else same
        ids[leader == q] = number
        info.append({"id": number, "label_id": label, "was_fused": label in fused, "score": round(float(scores[q]), 6)})
    return {"segmentation": ids, "segments_info": info}


def run_lengths(ids: "Tensor") -> list[list[int]]:
    """Of each number in a map (H,W), where it begins and how far it goes, again and again, row by row from 1 (COCO)."""
    import torch

    found = []
    for number in ids.unique():
        inside = torch.nn.functional.pad((ids == number).flatten().int(), (1, 1))
        edges = inside.diff().nonzero()[:, 0] + 1  # where it begins, where it has ended
        edges[1::2] -= edges[::2]
        found.append(edges.tolist())
    return found
