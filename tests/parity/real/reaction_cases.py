"""Reactions written as SMILES (Weininger, 1988), and the tokenizer of the models that were trained on them.

A package with such a model has vocab.txt, one token a line, and splits texts by a pattern that is code, so it is given
here: an atom in brackets, a chemical element, a bond, a ring's number, an arrow. Used by tools/golden_reactions.py too.
"""

from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

ALBERT = "rxnmapper/rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k"
BERT = "rxnfp/rxnfp/models/transformers/bert_pretrained"
CLASSIFIER = "rxnfp/rxnfp/models/transformers/bert_ft_10k_25s"  # 50 classes, whose names the package does not tell
REACTIONS = [  # the examples of rxnmapper's README: a substitution in the ring, and an ester that is cleaved
    "CC(C)S.CN(C)C=O.Fc1cccnc1F.O=C([O-])[O-].[K+].[K+]>>CC(C)Sc1ncccc1F",
    "C1COCCO1.CC(C)(C)OC(=O)CONC(=O)NCc1cccc2ccccc12.Cl>>O=C(O)CONC(=O)NCc1cccc2ccccc12",
]
PAIRS = {  # two reactions of a kind: the class that the reference gives to both
    "amide": (20, "CC(=O)O.NCc1ccccc1>>CC(=O)NCc1ccccc1", "O=C(O)c1ccccc1.NC1CCCCC1>>O=C(NC1CCCCC1)c1ccccc1"),
    "suzuki": (
        28,
        "OB(O)c1ccccc1.Brc1ccncc1>>c1ccc(-c2ccncc2)cc1",
        "OB(O)c1ccc(F)cc1.Brc1ccccc1C>>Cc1ccccc1-c1ccc(F)cc1",
    ),
    "nitro": (41, "O=[N+]([O-])c1ccccc1>>Nc1ccccc1", "COc1ccc([N+](=O)[O-])cc1>>COc1ccc(N)cc1"),
}
PATTERN = r"\[[^\]]+\]|Br|Cl|>>|%[0-9]{2}|[BNOSPFICbcnosp().=#+\\/:~@?>*$0-9-]"
NAMES = {f"{role}_token": f"[{role.upper()}]" for role in ("unk", "sep", "pad", "cls", "mask")}


def rust_tokenizer(vocab: Path) -> Tokenizer:
    """[CLS] tokens [SEP]"""
    ids = {token: i for i, token in enumerate(vocab.read_text("utf8").splitlines())}
    made = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(PATTERN), "isolated")
    ends = [(token, ids[token]) for token in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ends)
    return made


def masked(ids: torch.Tensor, mask_id: int) -> torch.Tensor:
    """The text (T,) once for each of its tokens but the first and the last, with that one hidden: (T-2,T)"""
    rows = ids.repeat(len(ids) - 2, 1)
    return rows.masked_fill(torch.eye(len(ids), dtype=torch.bool)[1:-1], mask_id)
