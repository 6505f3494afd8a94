from __future__ import annotations

import time
from threading import Barrier, get_ident

import pytest

from runner.blocks.pool import Pool


def test_every_request_is_done_once_by_several_threads():
    done, threads = [], set()
    meet = Barrier(3, timeout=10)

    def work(request, buffer):
        if request < 3:
            meet.wait()
        assert len(buffer) == 8192
        threads.add(get_ident())
        done.append(request)

    Pool(iter(range(100)), work, 8192).run(3, lambda: None)
    assert sorted(done) == list(range(100)) and len(threads) == 3


def test_the_first_error_is_raised_and_nothing_new_is_begun():
    begun = []
    meet = Barrier(2, timeout=10)

    def work(request, buffer):
        begun.append(request)
        meet.wait()
        if request == 1:
            while pool._error is None:
                time.sleep(0.01)
            raise ValueError("later")
        raise KeyError("first")

    pool = Pool(iter(range(100)), work, 4096)
    with pytest.raises(KeyError, match="first"):
        pool.run(2, lambda: None)
    assert sorted(begun) == [0, 1]


def test_what_the_waiting_thread_raises_ends_the_work():
    begun = []

    def work(request, buffer):
        begun.append(request)
        while pool._error is None:
            time.sleep(0.01)

    def tend():
        raise KeyboardInterrupt

    pool = Pool(iter(range(1000)), work, 4096)
    with pytest.raises(KeyboardInterrupt):
        pool.run(2, tend)
    assert len(begun) <= 2, "each thread ends with the request it had"


def test_an_error_of_the_requests_is_raised():
    def requests():
        yield 1
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        Pool(requests(), lambda request, buffer: None, 4096).run(4, lambda: None)
