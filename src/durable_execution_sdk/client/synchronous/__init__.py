"""The client for code without ``await``."""
