"""Django's settings in the processes that a test spawns, as the test has them."""

import json
import os

CACHES = json.loads(os.environ.get("UNIQUE_TEST_CACHES", "{}"))
DATABASES = {"default": {}, **json.loads(os.environ.get("UNIQUE_TEST_DATABASES", "{}"))}
