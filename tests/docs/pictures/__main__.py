"""Measures anew, and draws: ``make pictures``, or ``python -m tests.docs.pictures``.

With ``--draw`` it draws what was measured the last time.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.docs.pictures import FOLDER, pictures
from tests.docs.pictures.measured import Lengths, load, measure, save
from tests.docs.pictures.timelines import timelines
from tests.servers import RedisServer

if "--draw" not in sys.argv:
    with TemporaryDirectory() as name, RedisServer(Path(name)) as server:
        save(measure(Path(name), server.url, Lengths()))
FOLDER.mkdir(exist_ok=True)
for path, picture in pictures(timelines(), load()).items():
    path.write_text(picture)
