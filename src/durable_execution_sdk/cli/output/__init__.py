"""Text that the command writes: lines, live trees, progress and JSON documents."""
