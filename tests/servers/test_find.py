import os
from pathlib import Path

import pytest

from tests.programs import run_python
from tests.servers import find as finding
from tests.servers.find import MissingServer, environment, find, require


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without servers; what is unpacked goes to the folder returned.

    The machine that runs this test may have any of them, wherever they belong.
    """
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(finding, "INSTALLED", tmp_path / "root")
    monkeypatch.setattr(finding, "UNPACKED", tmp_path)
    return tmp_path


def put_program(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    path.touch(mode=0o755)
    return path


def test_a_missing_server_is_an_error_that_says_what_to_do(nothing_installed):
    with pytest.raises(
        MissingServer, match=r"redis-server \(redis\): run `make servers`"
    ):
        require("redis")


def test_an_unpacked_server_is_found(nothing_installed):
    program = put_program(nothing_installed / "redis/usr/bin/redis-server")

    assert find("redis") == program


def test_an_installed_server_goes_before_an_unpacked_one(nothing_installed):
    put_program(nothing_installed / "redis/usr/bin/redis-server")
    installed = put_program(nothing_installed / "bin/redis-server")

    assert find("redis") == installed


RABBITMQ = "usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin/rabbitmq-server"


def test_a_server_is_found_where_the_system_installs_it(nothing_installed):
    program = put_program(nothing_installed / "root" / RABBITMQ)
    put_program(nothing_installed / "rabbitmq" / RABBITMQ)

    assert find("rabbitmq") == program


def test_a_wrapper_of_the_same_name_is_not_taken(nothing_installed):
    put_program(nothing_installed / "bin/rabbitmq-server")
    program = put_program(nothing_installed / "rabbitmq" / RABBITMQ)

    assert find("rabbitmq") == program


def test_an_unpacked_server_runs_with_its_own_libraries(nothing_installed):
    libraries = nothing_installed / "redis/usr/lib/x86_64-linux-gnu"
    libraries.mkdir(parents=True)
    program = nothing_installed / "redis/usr/bin/redis-server"

    assert environment(program)["LD_LIBRARY_PATH"] == str(libraries)


def test_an_installed_server_runs_in_our_environment():
    assert environment(Path("/usr/bin/redis-server")) == dict(os.environ)


def test_what_the_machine_has_set_for_its_own_servers_is_of_no_concern(monkeypatch):
    theirs = {
        "CELERY_BROKER_URL": "amqp://elsewhere",
        "PGHOSTADDR": "192.0.2.1",
        "RABBITMQ_CONFIG_FILE": "/etc/rabbitmq/ours.conf",
        "ERL_FLAGS": "-kernel start_distribution never",
        "REDIS_URL": "redis://elsewhere",
    }
    for name, value in {**theirs, "UNIQUE_TEST_TURNS": "7"}.items():
        monkeypatch.setenv(name, value)

    code = "import os, tests.conftest; print(*os.environ)"
    left = run_python(code, check=True).stdout.split()

    assert "UNIQUE_TEST_TURNS" in left
    assert not theirs.keys() & set(left)
