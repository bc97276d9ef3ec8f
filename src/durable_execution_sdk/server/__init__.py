"""The Lambda durable API over HTTP, served by an emulator."""
