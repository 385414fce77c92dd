"""What torchrun's store keeps of processes that ended is not read by those that it starts instead of them."""

import threading

import pytest
from torch.distributed import HashStore  # pyright: ignore[reportPrivateImportUsage]

from qkv.backends.launch import _of_this_start


def meet(store, delays, name):
    """The stores that processes get, each started `delays[rank]` seconds late; in it they write `name`."""
    found = {}

    def one(rank):
        found[rank] = _of_this_start(store, rank, len(delays), 10.0)
        found[rank].set(f"address/{rank}", name)

    threads = [threading.Timer(delay, one, [rank]) for rank, delay in enumerate(delays)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_processes_of_a_second_start_do_not_see_what_the_first_wrote():
    store = HashStore()
    first = meet(store, [0.0, 0.0], "first")
    for name, delays in (("second", [0.0, 0.3]), ("third", [0.3, 0.0])):  # who comes first finds nonces of the ended
        again = meet(store, delays, name)
        assert [again[0].get("address/1"), again[1].get("address/0")] == [name.encode()] * 2
        assert [first[0].get("address/1"), first[1].get("address/0")] == [b"first"] * 2


def test_who_comes_alone_says_so():
    store = HashStore()
    meet(store, [0.0, 0.0], "first")
    with pytest.raises(RuntimeError, match="not all of the 2 processes came within 0.2 s"):
        _of_this_start(store, 0, 2, 0.2)
