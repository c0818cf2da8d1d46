"""What is shown of a URL."""

import pytest

from unique_task.backends.safe_names import without_password


@pytest.mark.parametrize(
    "url, shown",
    [
        ("redis://host/0", "redis://host/0"),
        ("redis://host/0?db=1", "redis://host/0"),
        ("redis://:sesame@host/0", "redis://:**@host/0"),
        ("redis://shop:sesame@host", "redis://shop:**@host"),
        ("redis://sesame@host", "redis://**@host"),
        # Nonsense that a person may write all the same.
        ("redis://:se?same@host/0", "redis://:**@host/0"),
        ("redis://:se@same@host/0", "redis://:**@host/0"),
        ("redis://:se/same#x@host/0?password=sesame", "redis://:**@host/0"),
        ("memcached://shop:se?same@host", "memcached://shop:**@host"),
        ("db+mysql://shop:se;same@host/x", "db+mysql://shop:**@host/x"),
        (
            "sentinel://:sesame@one/0?x=sesame;sentinel://:sesame@two/0?x=sesame",
            "sentinel://:**@one/0;sentinel://:**@two/0",
        ),
        ("redis://host/0?client_name=me@home", "redis://host/0"),
        ("redis://host:6379?password=p@sesame", "redis://host:6379"),
        ("redis://[::1]:6379/0?password=p@sesame", "redis://[::1]:6379/0"),
        ("redis://:sesame\n@host/0", "redis://:**@host/0"),
        ("redis://:ses\name@host/0", "redis://:**@host/0"),
        ("['redis://:sesame@host/0']", "['redis:**@host/0']"),
    ],
)
def test_a_url_is_shown_without_its_password_and_options(url, shown):
    assert without_password(url) == shown
