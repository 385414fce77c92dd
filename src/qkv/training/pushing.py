"""What training sends to the Hub: model and card, private unless told; never moments, generators or arguments."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import checkpoint as checkpoints
from .fields import Fields
from .reporting.card import TOLD

logger = logging.getLogger("qkv")


class Pushing(Fields):
    """Mixed into Trainer."""

    _sending: Future[None] | None = None

    def push_to_hub(self, commit_message: str | None = "End of training", **kwargs: Any) -> Any:
        """Upload the model and its card; keywords as `create_model_card`, and as `qkv.hub.push_folder`.

        Raises: OSError if the Hub refuses, or cannot be reached; ValueError for a secret in a text.
        """
        kwargs.pop("blocking", None)  # it is sent when this returns
        if told := {name: kwargs.pop(name) for name in TOLD if name in kwargs}:
            self.create_model_card(**told)
        self.callback_handler.tell("push_begin")
        if self._sending is not None:
            self._sending.result()
        with self._staged() as folder:
            self.save_model(str(folder))
            return self._send(folder, commit_message, **kwargs) if self.processes.main else None

    def _push_checkpoint(self) -> None:
        """Send what was just saved, while training goes on; what is still being sent is not waited for."""
        args, step = self.args, self.state.global_step
        if not args.push_to_hub or args.hub_strategy == "end":
            return
        if self._sending is not None and not self._sending.done():
            if not args.hub_always_push:
                return
            self._sending.result()
        beside = {"checkpoint": ["last-checkpoint"], "all_checkpoints": [f"checkpoint-{step}"]}
        self.callback_handler.tell("push_begin")
        stage = self._staged()
        folder = stage.__enter__()
        _link(args.folder / f"checkpoint-{step}", folder)
        self._write_card(folder)

        def send() -> None:
            try:
                for place in (None, *beside.get(args.hub_strategy, [])):
                    self._send(folder, f"Training in progress, step {step}", path_in_repo=place)
            except (OSError, ValueError) as error:  # a run of hours goes on without the network; its end raises
                logger.warning("step %d was not sent: %s hub_strategy='end' sends once.", step, error)
            finally:
                stage.__exit__(None, None, None)

        pool = ThreadPoolExecutor(1, "push")
        self._sending = pool.submit(send)
        pool.shutdown(wait=False)

    @contextmanager
    def _staged(self) -> Iterator[Path]:
        self.args.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=checkpoints.PUSH, dir=self.args.folder) as folder:
            yield Path(folder)

    def _send(self, folder: Path, message: str | None, **kwargs: Any) -> Any:
        from ..hub import push_folder

        args = self.args
        name = args.hub_model_id or args.folder.resolve().name
        usual = {"token": args.hub_token, "revision": args.hub_revision, "private": args.hub_private_repo is not False}
        given = usual | {key: value for key, value in kwargs.items() if value is not None}
        return push_folder(folder, name, commit_message=message, **given)


def _link(folder: Path, into: Path) -> None:
    """The files of a checkpoint, which may be removed before they are sent; `push_folder` knows which it may send."""
    for path in folder.iterdir():
        try:
            os.link(path, into / path.name)
        except OSError:  # a disk without links
            shutil.copyfile(path, into / path.name)
