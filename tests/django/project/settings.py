"""The settings of the project; where its servers are is told by the environment."""

import json
import os

SECRET_KEY = "of no use to anybody"
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "tests.django.project.urls"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "unique_task.django",
    "tests.django.project.orders",
    "tests.django.project.mails",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

STATIC_URL = "static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("UNIQUE_TEST_DATABASE", ":memory:"),
    }
}

CELERY_BROKER_URL = os.environ.get("UNIQUE_TEST_BROKER", "memory://")
CELERY_RESULT_BACKEND = os.environ.get("UNIQUE_TEST_BACKEND", "cache+memory://")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_UNIQUE_BACKEND = os.environ.get("UNIQUE_TEST_STORE", "memory://")

INSTALLED_APPS += json.loads(os.environ.get("UNIQUE_TEST_APPS", "[]"))

#: What a test sets beside these.
globals().update(json.loads(os.environ.get("UNIQUE_TEST_SETTINGS", "{}")))
