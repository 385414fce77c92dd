"""What went wrong with a Hub repository, in one sentence that says what to type."""

import os
from typing import TYPE_CHECKING

from qkv.errors import short

if TYPE_CHECKING:
    from qkv.hub import HubRepo


def explained(error: BaseException | None, repo: "HubRepo", wanted: str) -> OSError:
    """What went wrong and what to type, from whatever huggingface_hub and the network stack below it raise."""
    from huggingface_hub import constants, errors

    status = getattr(getattr(error, "response", None), "status_code", None)
    disk = isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError) and error.errno
    name, site, cache = short(repo.name, 72), short(constants.ENDPOINT, 50)[1:-1], short(str(repo.cache), 44)
    login = "type: hf auth login (or pass token=...)"
    missing = f"{wanted} of {name} (revision {short(repo.revision, 24)}) is not in the cache {cache}"
    folder = "or pass a folder such as './model'"
    rows = (
        (
            error is None,
            f"{missing}, and downloads are off. Unset HF_HUB_OFFLINE and type: hf download {name[1:-1]}; {folder}.",
        ),
        (isinstance(error, errors.GatedRepoError), f"{name} is gated. Accept its terms at {site}, then {login}."),
        (
            isinstance(error, errors.RepositoryNotFoundError),
            f"no repository {name} at {site}, or a private one. Check the spelling; if private, {login}; {folder}.",
        ),
        (
            isinstance(error, errors.RevisionNotFoundError),
            f"{name} has no revision {short(repo.revision)}. Leave revision= out for the main one, {folder}.",
        ),
        (
            isinstance(error, errors.LocalTokenNotFoundError),
            f"token=True, but no token is stored. To store one, {login}.",
        ),
        (status in (401, 403), f"{site} refused the token for {name} ({status}). For another one, {login}."),
        (status is not None, f"{site} answered with error {status}, and {missing}. Try again later, {folder}."),
        (disk, f"{name} cannot be stored in {cache}: {disk and os.strerror(disk)}. Set HF_HOME to another folder."),
        ("Consistency check" in str(error), f"{wanted} of {name} arrived incomplete. Run the same line again."),
        (True, f"no answer from {site} ({type(error).__name__}), and {missing}. Check the network, {folder}."),
    )
    return OSError(next(text for hit, text in rows if hit))
