from collections.abc import Iterator
from uuid import uuid4

import amqp
import pytest
from kombu import Connection
from psutil import CONN_LISTEN, Process

from tests.servers import RabbitMQServer
from tests.servers.process import HOST
from tests.waiting import wait_until
from tests.worker.worker_process import alive


@pytest.fixture(scope="module")
def module_rabbitmq(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[RabbitMQServer]:
    with RabbitMQServer(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture
def own_rabbitmq(module_rabbitmq: RabbitMQServer) -> RabbitMQServer:
    """For tests that kill or pause it; a start takes too long for one each."""
    if not module_rabbitmq.answers():
        module_rabbitmq.start()
    return module_rabbitmq


@pytest.fixture
def queue() -> str:
    """The name of a queue that no other test has."""
    return uuid4().hex


def send(url: str, queue: str) -> None:
    """Return when the server has the message on disk."""
    options = {"confirm_publish": True}
    with Connection(url, transport_options=options) as connection:
        with connection.SimpleQueue(queue) as sender:
            sender.put("hello")


def receive(url: str, queue: str) -> str:
    with Connection(url) as connection, connection.SimpleQueue(queue) as receiver:
        message = receiver.get(timeout=20)
        message.ack()
        return str(message.payload)


def test_it_carries_a_message(rabbitmq_server, queue):
    send(rabbitmq_server.url, queue)

    assert receive(rabbitmq_server.url, queue) == "hello"


def test_waiting_messages_are_counted(rabbitmq_server, queue):
    send(rabbitmq_server.url, queue)
    send(rabbitmq_server.url, queue)

    assert rabbitmq_server.queue_length(queue) == 2


def test_a_deleted_queue_is_gone(rabbitmq_server, queue):
    send(rabbitmq_server.url, queue)

    rabbitmq_server.delete_queue(queue)

    with pytest.raises(amqp.NotFound):
        rabbitmq_server.queue_length(queue)


def test_a_queue_that_is_not_there_can_be_deleted(rabbitmq_server, queue):
    rabbitmq_server.delete_queue(queue)


def test_it_listens_on_its_port_only(rabbitmq_server):
    connections = Process(rabbitmq_server.pid).net_connections()

    listening = [c.laddr for c in connections if c.status == CONN_LISTEN]
    assert listening == [(HOST, rabbitmq_server.port)]


def test_a_paused_server_answers_when_it_is_resumed(own_rabbitmq):
    own_rabbitmq.pause()
    with pytest.raises(TimeoutError):
        amqp.Connection(f"{HOST}:{own_rabbitmq.port}", connect_timeout=0.2).connect()
    own_rabbitmq.resume()

    assert own_rabbitmq.answers()


def test_a_restarted_server_has_its_port_and_its_messages_again(own_rabbitmq, queue):
    send(own_rabbitmq.url, queue)

    own_rabbitmq.restart()

    assert receive(own_rabbitmq.url, queue) == "hello"


def test_a_killed_server_takes_all_its_processes_along(own_rabbitmq):
    children = Process(own_rabbitmq.pid).children(recursive=True)
    assert children

    own_rabbitmq.kill()

    wait_until(lambda: not any(alive(child.pid) for child in children))
    assert not own_rabbitmq.answers()
