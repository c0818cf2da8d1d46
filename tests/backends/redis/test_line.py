"""Answers of Redis, as they are read from a connection."""

from io import BytesIO

import pytest

from unique_task.backends.redis.line import Incomplete, read_answer

#: What the server sends -> what it means.
ANSWERS = {
    b":1732888888123456\r\n": 1732888888123456,
    b":-2\r\n": -2,
    b"$0\r\n\r\n": b"",
    b"$9\r\n\r\n:1\r\n$-1\r\n": b"\r\n:1\r\n$-1",
    b"$-1\r\n": None,
    b"_\r\n": None,
    b"*0\r\n": [],
    b"*4\r\n:0\r\n$2\r\nab\r\n$-1\r\n*1\r\n:1\r\n": [0, b"ab", None, [1]],
}

#: Of other kinds, or of none.
OTHERS = [
    b"+OK\r\n",
    b"#t\r\n",
    b">2\r\n",
    b"\r\n",
    b":one\r\n",
    b"$\r\n",
    b"HTTP/1.1 400 Bad Request\r\n",
]


@pytest.mark.parametrize("data", ANSWERS, ids=repr)
def test_an_answer_is_read_to_its_end(data):
    stream = BytesIO(data + b":1\r\n")

    assert read_answer(stream) == ANSWERS[data]
    assert stream.tell() == len(data)


@pytest.mark.parametrize("data", ANSWERS, ids=repr)
def test_a_part_of_an_answer_is_none_wherever_it_ends(data):
    for size in range(len(data)):
        with pytest.raises(Incomplete) as part:
            read_answer(BytesIO(data[:size]))
        assert 1 <= part.value.missing <= len(data) - size


@pytest.mark.parametrize("data", OTHERS, ids=repr)
def test_what_no_script_answers_is_an_error(data):
    with pytest.raises(ValueError):
        read_answer(BytesIO(data))
