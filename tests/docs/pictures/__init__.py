"""Draws the pictures of the documentation, from what real workers have done."""

from collections.abc import Mapping
from pathlib import Path

from tests.docs.pictures import burst_picture, crash_picture, hot_key_picture
from tests.docs.pictures.measured import Measured
from tests.docs.pictures.overview_picture import overview
from tests.docs.pictures.timelines import Timeline
from tests.docs.pictures.timelines_picture import picture_of
from unique_task.options.option_types import LockName

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"


def pictures(
    timelines: Mapping[LockName, Timeline], measured: Measured
) -> dict[Path, str]:
    """Return the pictures by their files."""
    seconds = 1.02 * max(measured.elsewhere.runs[1], measured.here.runs[1])
    drawn: dict[str, str] = {
        name: picture_of(name, timeline) for name, timeline in timelines.items()
    }
    drawn |= {
        "lock_types": overview(timelines),
        "killed_elsewhere": crash_picture.elsewhere(measured.elsewhere, seconds),
        "killed_here": crash_picture.here(measured.here, seconds),
        "burst": burst_picture.burst(measured.burst),
        "hot_key": hot_key_picture.hot_key(measured.hot_key, measured.polling),
    }
    return {FOLDER / f"{name}.svg": picture for name, picture in drawn.items()}
