# Each target sets up what it needs, in .venv, and does so again when pyproject.toml has changed.
.PHONY: demo test test-emulator lint coverage fuzz fuzz-wire bench clean

demo:
	@tools/setup cli
	@.venv/bin/python examples/order_processing/demo.py

test:
	@tools/test

lint:
	@tools/lint

# The SDK on AWS's own local runner, which has an environment of its own; not a part of make test.
test-emulator:
	@tools/setup dev
	@tools/setup-emulator
	@DEX_LOCAL_RUNNER=$(CURDIR)/.venv-emulator/bin/dex-local-runner \
		.venv/bin/python -m pytest -n 2 tests/aws_emulator $(ARGS)

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

clean:
	rm -rf .venv .venv-emulator benchmarks/.venvs .durable .coverage .coverage.* htmlcov dist build
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
