"""A plugin of pytest: the library is imported, and that is all."""

import unique_task

#: Nobody else uses it.
LIBRARY = unique_task
