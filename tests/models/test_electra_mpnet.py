"""What goldens of ELECTRA and MPNet do not show: other summaries of a text, labels without a mask, far positions."""

import pytest
import torch
import torch.nn.functional as F

from families import IDS, tiny_config
from qkv import ElectraForMultipleChoice, ElectraForPreTraining, MPNetModel

TWICE = torch.stack((IDS, IDS.flip(1)), dim=1)  # (B,C,T)


@pytest.mark.parametrize("kind", ["first", "last", "mean", "cls_index"])
@torch.inference_mode()
def test_summaries(kind):
    torch.manual_seed(0)
    model = ElectraForMultipleChoice(tiny_config("electra", summary_type=kind, initializer_range=0.3)).eval()
    x = model.electra(TWICE.flatten(0, 1)).last_hidden_state
    x = {"first": x[:, 0], "mean": x.mean(1)}.get(kind, x[:, -1])
    expected = model.classifier(F.gelu(model.sequence_summary.summary(x))).view(2, 2)
    assert (model(TWICE).logits - expected).abs().max() <= 1e-5


def test_a_summary_that_is_none_is_refused():
    with pytest.raises(ValueError, match="summary_type='attn'.*'first', 'last'") as error:
        ElectraForMultipleChoice(tiny_config("electra", summary_type="attn"))
    assert len(str(error.value)) < 400


def test_which_tokens_the_loss_of_replaced_ones_is_over():
    torch.manual_seed(0)
    model = ElectraForPreTraining(tiny_config("electra", initializer_range=0.3)).eval()
    labels, mask = IDS % 2, torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    logits = model(IDS, mask).logits
    real = mask.bool()
    expected = F.binary_cross_entropy_with_logits(logits[real], labels[real].float())
    assert abs(model(IDS, mask, labels=labels).loss - expected) <= 1e-6
    assert abs(model(IDS, mask, labels=labels.masked_fill(mask == 0, -100)).loss - expected) <= 1e-6
    logits = model(IDS).logits
    expected = F.binary_cross_entropy_with_logits(logits, labels.float())
    assert abs(model(IDS, labels=labels).loss - expected) <= 1e-6
    expected = F.binary_cross_entropy_with_logits(logits[:, 1:], labels[:, 1:].float())
    labels[:, 0] = -100
    assert abs(model(IDS, labels=labels).loss - expected) <= 1e-6


FAR = {  # distance from query to key: the reference's bucket
    -600: 15, -128: 15, -127: 15, -90: 14, -64: 14, -63: 13, -32: 12, -31: 11, -16: 10, -12: 9, -11: 8, -8: 8, -7: 7,
    -1: 1, 0: 0, 1: 17, 7: 23, 8: 24, 11: 24, 12: 25, 16: 26, 31: 27, 32: 28, 63: 29, 64: 30, 90: 30, 127: 31, 600: 31,
}  # fmt: skip


def test_buckets_of_far_keys():
    bias = MPNetModel(tiny_config("mpnet")).relative_bias
    assert bias.bucket(torch.tensor(list(FAR))).tolist() == list(FAR.values())


def test_another_number_of_buckets_is_refused():
    with pytest.raises(ValueError, match="relative_attention_num_buckets=32, not 64"):
        MPNetModel(tiny_config("mpnet", relative_attention_num_buckets=64))
