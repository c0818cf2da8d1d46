"""The settings of the project; where its servers are is told by the environment."""

import json
import os

SECRET_KEY = "of no use to anybody"
USE_TZ = True

INSTALLED_APPS = ["tests.django_project"]

CACHES = {"default": json.loads(os.environ["UNIQUE_TEST_CACHE"])}

CELERY_BROKER_URL = os.environ["UNIQUE_TEST_BROKER"]
CELERY_RESULT_BACKEND = os.environ["UNIQUE_TEST_BACKEND"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

CELERY_UNIQUE_BACKEND = "django-cache://default"
CELERY_UNIQUE_LEASE = 5
