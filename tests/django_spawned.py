"""Django's settings in the processes that a test spawns: caches as it has them."""

import json
import os

CACHES = json.loads(os.environ["UNIQUE_TEST_CACHES"])
