"""Let unique tasks fight for keys while everything is killed, and see what breaks."""

import argparse
import secrets
import signal
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from tests.servers import RabbitMQServer
from tests.soak.run import soak
from tests.soak.stage import staged
from tests.soak.verdict import Verdict
from tests.surroundings import forget


def main() -> None:
    parser = argparse.ArgumentParser("tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="of disturbance")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--lease", type=float, default=5, help="seconds")
    parser.add_argument(
        "--patience", type=float, default=120, help="seconds for all to end, after"
    )
    parser.add_argument(
        "--directory", type=Path, help="new; what was noted stays there"
    )
    parser.add_argument("--unguarded", action="store_true", help="must fail")
    options = parser.parse_args()
    # As Ctrl-C does, so that no server and no worker is left behind.
    signal.signal(signal.SIGTERM, _leave)
    forget()
    print(f"seed {options.seed}, {options.seconds:g} s", flush=True)
    verdict = _soak(options)
    print(verdict.table())
    sys.exit(not verdict.passed)


def _soak(options: argparse.Namespace) -> Verdict:
    with TemporaryDirectory() as name:
        directory = options.directory or Path(name)
        (directory / "broker").mkdir(parents=True)
        with (
            RabbitMQServer(directory / "broker") as broker,
            staged(directory, broker, options.lease, not options.unguarded) as stage,
        ):
            return soak(stage, options.seconds, options.seed, options.patience)


def _leave(*_: object) -> NoReturn:
    raise KeyboardInterrupt


main()
