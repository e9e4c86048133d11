.PHONY: check test format

check: ## what CI runs
	./dev.sh test

test:
	./dev.sh run python -m pytest

format:
	./dev.sh format
