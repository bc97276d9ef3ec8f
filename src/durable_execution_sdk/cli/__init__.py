"""The ``durable`` command."""
