"""Keys are what version 0.1 made of the same calls: in a deploy, both lock the same.

Each digest was written by 0.1. Whoever has to change one has to change ``FORMAT`` too.
"""

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from unique_task.keys.arguments import Parameters
from unique_task.keys.digest import (
    FORMAT,
    digest_of,
    digest_of_run,
    digest_of_source,
    source_of,
)
from unique_task.keys.key_option import key_from_option

ORDER = ("acme", 7)
NOON = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)


def charge(tenant, order_id, note="", *tags, express=False, **more): ...


def bound_charge(self, tenant, order_id=0): ...


def by_callable(tenant: str, order_id: int, *_: Any, **__: Any) -> Any:
    return {"t": tenant, "o": [order_id, True]}


@pytest.mark.parametrize(
    "digest, option, args",
    [
        ("0f9b95b1860e0f490ee6f45cd3d9145e", None, (1, "a")),
        ("bf3620aba3bbe50f5965df441f94d481", "{order_id}", ORDER),
        ("2ef7ebaf67cfae1b67005e33348dcd4b", "order:{tenant}/{order_id}", ORDER),
        ("fc0f53004b599f11ef1e6d2df04e362f", "{tenant}{order_id}", ("acme", "7")),
        ("011a9ee5892429dda105cf2040539c0b", "nightly", ORDER),
        ("bf3620aba3bbe50f5965df441f94d481", ["order_id"], ORDER),
        ("ac8dfad77e17fbc1fd9b7103253dd78a", ["tenant", "order_id"], ORDER),
        ("018dcdd95ca626866b5c55309af5a60a", {"tenant", "order_id"}, ORDER),
        ("f1df3e925bccef3c2855f442811eaf5b", (), ORDER),
        ("9869a0c220d109d1481774e63378df12", by_callable, ORDER),
    ],
)
def test_each_form_of_the_option_has_the_keys_of_0_1(digest, option, args):
    key = key_from_option(option, Parameters(charge))

    assert key.digest("shop.charge", args, {}) == digest


@pytest.mark.parametrize(
    "digest, value",
    [
        ("bee3dcd586a46e539ad7d99717e2dd69", NOON),
        ("d0c3a981b89322834f8d94dd2d93b410", Decimal("1.10")),
        ("9d1ebe19424a933aff3655b13870093f", UUID(int=7)),
        ("60860349a5fe89924009e398bef2c2f2", {"b", 1}),
        ("49605aabcc5d5b43156d5583ea19e999", 10**30),
        ("a27cbbae9bd88bd05fee330170bec226", "\u00fc\U0001f512"),
    ],
)
def test_each_type_of_argument_has_the_keys_of_0_1(digest, value):
    key = key_from_option("{order_id}", Parameters(charge))

    assert key.digest("shop.charge", ("acme", value), {}) == digest


def test_nested_and_variadic_arguments_have_the_key_of_0_1():
    key = key_from_option(None, Parameters(charge))
    args = ("acme", 7, "x", "t1", "t2")
    kwargs = {"express": True, "z": None, "a": [1.5, {"k": b"b"}]}

    digest = key.digest("shop.charge", args, kwargs)

    assert digest == "2cfe5fb3a8d9fc36bc020d4fc12162de"


@pytest.mark.parametrize(
    "namespace, digest",
    [
        ("shop.charge", "1a082c2d951a3a6a75ed73ca36bad816"),
        ("shop", "9e149f1c99fb4e79e4a6b435e00752d4"),
    ],
)
def test_each_namespace_has_the_keys_of_0_1(namespace, digest):
    key = key_from_option(None, Parameters(bound_charge, bound=True))

    assert key.digest(namespace, ("acme",), {}) == digest


def test_the_source_of_a_key_is_written_and_read_as_by_0_1():
    value = {"t": "acme", "o": [7, None]}
    source = "bTI7czE7b2wyO2k3O247czE7dHM0O2FjbWU="
    digest = "169ea95ebe7a3f70d22283b74cfeef77"

    assert source_of(value) == source
    assert digest_of_source("shop.charge", source) == digest
    assert digest_of("shop.charge", value) == digest


def test_the_key_of_a_run_is_that_of_0_1():
    key, owner = "c0ffee" * 5 + "c0", "3f7a9f0e-0000-4000-8000-000000000001"

    assert digest_of_run(key, owner) == "304fd21ada6a553583ad5fe4e06e9334"


def test_the_format_is_that_of_0_1():
    assert FORMAT == 1
