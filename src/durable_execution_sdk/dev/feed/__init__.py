"""JSON and streams of changes for the command, the web page and tests: the routes under ``/_durable``."""
