"""The line between a process and its worker: whole messages that the other side signed, or nothing."""

from __future__ import annotations

import os
import pickle
from multiprocessing import Pipe

import pytest

from gradproof.execution.channel import Channel, Garbled

KEY = b"k" * 16


def pair(key: bytes = KEY) -> tuple[Channel, Channel]:
    one, other = Pipe()
    return Channel(one, KEY), Channel(other, key)


def test_messages_arrive_whole_and_in_order() -> None:
    ours, theirs = pair()
    for message in ({"a": 1}, "b" * 50_000, None):
        theirs.send(message)
    assert [ours.receive() for _ in range(3)] == [{"a": 1}, "b" * 50_000, None]


@pytest.mark.parametrize("rubbish", [b"x" * 200, pickle.dumps("a message"), b"gpf1" + b"\0" * 28 + b"x" * 200])
def test_what_nobody_signed_is_no_message(rubbish: bytes) -> None:
    ours, theirs = pair()
    os.write(theirs.connection.fileno(), rubbish)
    theirs.send("a message")
    with pytest.raises(Garbled):
        ours.receive()


class _Dangerous:
    """Unpickling it would raise."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return divmod, (1, 0)


def test_nothing_is_unpickled_that_another_key_signed() -> None:
    ours, theirs = pair(key=b"another key")
    theirs.send(_Dangerous())
    with pytest.raises(Garbled):
        ours.receive()


def test_the_end_of_the_line_is_told() -> None:
    ours, theirs = pair()
    theirs.connection.close()
    with pytest.raises(EOFError):
        ours.receive()


@pytest.mark.filterwarnings("ignore:os.fork")  # of JAX, where another test has imported it: our child calls none of it
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_copy_sends_nothing_and_ends() -> None:
    ours, theirs = pair()
    child = os.fork()
    if not child:
        theirs.send("from the copy")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    theirs.send("from the worker")
    assert ours.receive() == "from the worker"
