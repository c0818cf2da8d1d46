"""An app of a project whose tasks cannot be imported."""
