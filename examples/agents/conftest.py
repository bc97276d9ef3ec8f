"""Leave out the examples here where their framework is not installed."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("pydantic_ai") else ["*"]
