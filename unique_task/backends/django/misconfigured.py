"""What a project reads whose settings of Django cannot be used."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ...exceptions import ConfigurationError


def misconfigured(error: ImproperlyConfigured) -> ConfigurationError:
    """Return our error for one of Django's."""
    if settings.configured:
        return ConfigurationError(f"Django's settings: {error}")
    return ConfigurationError(
        "Django's settings are not configured: set DJANGO_SETTINGS_MODULE"
    )
