# Qayd: a SIP registrar that never forgets a phone, and its admin. `make` lists the targets.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Where the tools are for the checks and the tests.
TEST := .venv-test/bin

# The compiled message catalogues (.mo) are made, not kept: $(1) is the environment's bin/.
define compile-translations
@for source in webadmin/translations/*/LC_MESSAGES/*.po; do \
	[ -e "$$source" ] || continue; \
	[ "$${source%.po}.mo" -nt "$$source" ] || \
	$(1)/pybabel --quiet compile --input-file "$$source" --output-file "$${source%.po}.mo" || exit 1; \
done
endef

.PHONY: help run test test-long check format requirements clean environment test-environment parts

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

run: environment  ## start Qayd: the admin and the registrar, until Ctrl-C
	@exec .venv/bin/python -m tools.run

test: parts  ## install what the tests need and run them (all but the long ones)
	@$(TEST)/python -m pytest -m 'not long'

test-long: parts  ## run the long tests: the story 20 times, and others that take minutes
	@$(TEST)/python -m pytest -m long

check: test-environment  ## format, lint, types, import contracts and fast tests: under two minutes
	@$(TEST)/ruff format --check --quiet .
	@$(TEST)/ruff check --quiet .
	@$(TEST)/mypy
	@$(TEST)/lint-imports
	@$(TEST)/python -m pytest --quiet -m 'not parts and not long'

format: test-environment  ## put the code into its one format, and mend what ruff can mend
	@$(TEST)/ruff check --quiet --fix-only .
	@$(TEST)/ruff format .

requirements: test-environment  ## pin and hash requirements*.in into requirements*.txt
	@for name in requirements requirements-dev requirements-phone; do \
		$(TEST)/uv pip compile --quiet --no-config \
			--universal --python-version 3.11 --generate-hashes --no-annotate --upgrade \
			--custom-compile-command 'make requirements' --output-file $$name.txt $$name.in || exit 1; \
	done

clean:  ## remove the virtual environments and everything else that is made; var/ stays
	@rm -rf .venv .venv-test .venv-phone build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@rm -f webadmin/translations/*/LC_MESSAGES/*.mo

environment:
	@tools/make-venv .venv requirements.txt
	$(call compile-translations,.venv/bin)

test-environment:
	@tools/make-venv .venv-test requirements-dev.txt
	$(call compile-translations,$(TEST))

parts: test-environment
	@tools/make-phone-venv
	@tools/install-test-packages
