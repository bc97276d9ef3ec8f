# Each target sets up what it needs, in .venv, and does so again when pyproject.toml has changed.
.PHONY: demo test test-all lint docs coverage fuzz fuzz-wire bench screenshots clean

demo:
	@tools/setup cli
	@.venv/bin/python examples/order_processing/demo.py

# The linters, and every test that is not marked as slow.
test:
	@tools/test

# That, and then the groups of tools/groups, each in an environment of its own: what could not run ends
# the output, and REQUIRE=wheel,fuzz makes it a failure. make test-wheel runs one group.
test-all:
	@tools/test-groups

test-%:
	@tools/test-groups $*

lint:
	@tools/lint

# The documentation site, in site/: open site/index.html.
docs:
	@tools/docs

# What tests/wire_fuzz does with a small budget, with a large one: WIRE_FUZZ cases of each kind.
fuzz-wire:
	@tools/setup dev
	@WIRE_FUZZ=$${WIRE_FUZZ:-200000} .venv/bin/python -m pytest -n 2 tests/wire_fuzz $(ARGS)

# Apart from the tests, which it makes take almost twice as long.
coverage:
	@tools/setup dev
	@.venv/bin/python -m pytest -n 2 --cov --cov-report=term

# Generated programs under generated schedules: make fuzz ARGS="--seed 123 --programs 1" runs one again.
fuzz:
	@tools/setup dev
	@.venv/bin/python -m tests.generated $(ARGS)

# Beside the other SDKs, which it installs for itself: make bench ARGS="--quick" for a short run.
bench:
	@tools/setup dev
	@.venv/bin/python benchmarks/bench.py $(ARGS)

# The pictures in docs/images, of executions that really run; it needs chromium-headless-shell.
screenshots:
	@tools/groups/browser get
	@PYTHONPATH=. .venv-browser/bin/python tools/page/screenshots.py

# Not .durable, which holds executions.
clean:
	rm -rf .venv .venv-* benchmarks/.venvs .coverage .coverage.* htmlcov dist build site
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
