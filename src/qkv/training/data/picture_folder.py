"""Pictures in a folder for each class, or named in metadata.csv; with parts to train and to measure on, if so."""

from pathlib import Path

from ...errors import short
from .reading import Row, Rows, read_rows

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm")
TRAIN = ("train", "training")
HELD = ("validation", "valid", "val", "dev", "eval", "test", "testing")  # the first that is there is measured on
TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")  # of columns file_name and label


def read_folder(path: Path) -> Rows:
    """The pictures of a folder, as rows {"image": path, "label": the folder that it is in}, in the order of names.

    Where it has a folder "train", that is read, and one such as "validation" or "test" becomes `held`. A metadata.csv
    (file_name, label) in place of folders is read as such a table.

    Raises: ValueError for a folder without pictures in folders.
    """
    parts = {part.name.lower(): part for part in _folders(path)}
    first = next((parts[name] for name in TRAIN if name in parts), None)
    if first is None:
        return _classes(path, path.name)
    rows = _classes(first, f"{path.name}/{first.name}")
    second = next((parts[name] for name in HELD if name in parts), None)
    if second is not None:
        rows.held = _classes(second, f"{path.name}/{second.name}")
    return rows


def _classes(path: Path, name: str) -> Rows:
    table = next((path / each for each in TABLES if (path / each).is_file()), None)
    if table is not None:
        return read_rows(table)
    rows: list[Row] = []
    for folder in _folders(path):
        files = (file for file in folder.rglob("*") if file.suffix.lower() in ENDINGS and file.name[0] != ".")
        rows += ({"image": str(file), "label": folder.name} for file in sorted(files))
    if not rows:
        loose = next((file.name for file in sorted(path.iterdir()) if file.suffix.lower() in ENDINGS), None)
        what = f"{short(loose)} and others lie in it beside each other" if loose else "there is none"
        raise ValueError(
            f"{short(str(path))} is a folder; expected a file, or pictures in a folder for each class: {what}. Make "
            f"{short(name, 40)}/cat/1.jpg, {short(name, 40)}/dog/2.jpg and so on, or a table of columns image, label."
        )
    return Rows(rows, name, "folder")


def _folders(path: Path) -> list[Path]:
    return sorted(part for part in path.iterdir() if part.is_dir() and part.name[0] not in "._")
