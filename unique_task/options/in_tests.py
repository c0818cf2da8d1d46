"""What the tests of a project put in the place of its settings; see ``testing``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

from ..backends.base import Backend
from .settings import Settings


class SharedStoreWarning(UserWarning):
    """A test takes its locks in a store that it shares with others."""


@dataclass(eq=False)
class InTests:
    """What tests have chosen, for all apps of the process.

    Attributes:
        store: for all locks; None where the settings decide.
        enabled: whether guards are on; None where the settings decide.
        warns: whether the next eager call with a shared store is warned of.
    """

    store: Backend | None = None
    enabled: bool | None = None
    warns: bool = False
    _replaced: tuple[Settings, bool, Settings] | None = None

    def settings(self, settings: Settings) -> Settings:
        """Return the settings of an app with what tests have chosen.

        For equal settings it returns one object: plans are kept for it.
        """
        if self.enabled is None:
            return settings
        known = self._replaced
        if known is None or known[0] is not settings or known[1] is not self.enabled:
            chosen = replace(settings, enabled=self.enabled, shadow=False)
            known = self._replaced = settings, self.enabled, chosen
        return known[2]

    def warn_of(self, backend: Backend) -> None:
        """Warn, once, that an eager call takes its lock in a shared store."""
        if not backend.shared:
            return
        self.warns = False
        warnings.warn(
            f"an eager task of this test run takes its lock in {backend.name}, which "
            "other test runs, or your workers, may share: let the test use the fixture "
            "unique_store (or unique_task.testing.fresh_store()), or ignore "
            f"unique_task.testing.{SharedStoreWarning.__name__} if you mean it",
            SharedStoreWarning,
            stacklevel=2,
        )


#: The choice of this process. Nothing but tests changes it.
in_tests = InTests()
