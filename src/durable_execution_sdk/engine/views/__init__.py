"""What others see of an execution: a handler, an observer, a reader of its history."""
