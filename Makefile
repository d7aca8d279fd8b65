# Needs Python 3.11 to 3.13, git and make. Everything else is installed into .venv at the versions of the locks:
# requirements.lock has all that a run needs, the other two add the tests' tools and the benchmarks' contestants to it.

export MLFLOW_DISABLE_TELEMETRY = true
export DO_NOT_TRACK = 1
export TF_CPP_MIN_LOG_LEVEL = 3

PYTHON = .venv/bin/python
PROGRAM = .venv/bin/howbig

.PHONY: help quick report demo test faults repro ui dashboard serve lint venv bench lock audit
.DELETE_ON_ERROR:

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 18

quick: $(PROGRAM)  ## the whole pipeline in minutes, on 5,000 digits that need no download (works in .quick/)
	@$(PYTHON) -m pipeline quick

test: .venv/installed-dev  ## the test suite
	@$(PYTHON) -m pytest

faults: .venv/installed-dev  ## more of what the tests try to break it with; writes docs/reliability.csv
	@$(PYTHON) -m tests.faults

report: $(PROGRAM)  ## the committed study: its data made, its runs replayed from the record, nothing trained
	@$(PYTHON) -m dvc repro
	@$(PYTHON) -m pipeline rebuild-tracking
	@echo "The report:   open data/reports/report.html in a browser"
	@echo "Every run:    make ui, then"
	@$(PYTHON) -m pipeline.tracking.links

demo: $(PROGRAM)  ## draw a digit in the browser, and watch the champion and a small network read it
	@$(PYTHON) -m pipeline demo

# FRESH=1 forgets results and trainings. Once stopped, `make repro` without it goes on from there.
repro: $(PROGRAM)  ## the full study on all of MNIST, only what is out of date; FRESH=1 trains everything
	@if [ "$(FRESH)" = 1 ]; then rm -rf .journal data/record data/studies data/models; fi
	@$(PYTHON) -m dvc repro

ui: .venv/installed  ## every run, in the browser (MLflow)
	@echo "The experiments:"
	@$(PYTHON) -m pipeline.tracking.links
	@$(PYTHON) -m mlflow ui --host 127.0.0.1

serve: $(PROGRAM)  ## the champion, answering requests on this machine (MLflow); PORT=5001
	@$(PYTHON) -m pipeline serve --port $(or $(PORT),5001)

dashboard: .venv/installed  ## every study, in the browser (Optuna)
	@.venv/bin/optuna-dashboard --host 127.0.0.1 sqlite:///optuna.db

lint: .venv/installed-dev  ## style, format and types
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy

venv: $(PROGRAM)  ## the environment of a run alone

bench: .venv/installed-bench  ## the benchmarks: compared with other tools, and with the processor's limit
	@$(PYTHON) -m benchmarks

COMPILE = $(PYTHON) -m uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	--python-version 3.11 pyproject.toml

lock: .venv/installed-dev  ## make the locks again, from pyproject.toml: each with the versions of the one before
	@$(COMPILE) --output-file requirements.lock
	@$(COMPILE) --constraint requirements.lock --extra dev --output-file requirements-dev.lock
	@$(COMPILE) --constraint requirements-dev.lock --extra bench --output-file requirements-bench.lock

# Strict: a package that pypi.org has no answer for is not one without advisories.
audit: .venv/installed-dev  ## ask pypi.org for known vulnerabilities of what a run and the tests install
	@$(PYTHON) -m uv tool run pip-audit==2.10.1 --strict --disable-pip --progress-spinner off \
		--requirement requirements-dev.lock || { \
		echo "error: not everything is audited and clean, as said above. If it is that a package could not be audited," \
			"or that there is no connection: pypi.org's advisories cannot be had here, run this where they can" >&2; \
		exit 1; \
	}

# Plain pip and venv must do; uv, where it is on the PATH, is faster and can fetch a Python that fits.
define install
@echo "installing $< into .venv (some minutes, once)"; \
if command -v uv >/dev/null; then \
	uv pip install --python $(PYTHON) --compile-bytecode --require-hashes --requirements $<; \
else \
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<; \
fi
@touch $@
endef

.venv/installed: requirements.lock | $(PYTHON)
	$(install)

.venv/installed-%: requirements-%.lock .venv/installed
	$(install)

# This project itself, from where it lies: `.venv/bin/howbig` works in any folder. And a line that Python runs when it
# starts: the environment's programs find each other where it is not activated, for example dvc the `python` of dvc.yaml.
$(PROGRAM): pyproject.toml | .venv/installed
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
	@printf %s 'import os, sys; programs = os.path.join(sys.prefix, "bin"); path = os.environ.get("PATH", ""); ' \
		'os.path.realpath(programs) in map(os.path.realpath, path.split(os.pathsep)) or ' \
		'os.environ.update(PIPELINE_PROGRAMS=programs, PATH=programs + os.pathsep + path)' \
		> "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/programs.pth"
	@touch $@

$(PYTHON):
	@if command -v uv >/dev/null; then \
		uv venv --quiet --seed --python '>=3.11,<3.14' .venv; \
	else \
		for python in python3 python3.13 python3.12 python3.11 none; do \
			if test $$python = none; then \
				echo "error: no Python 3.11, 3.12 or 3.13 found (python3 is $$(python3 --version 2>&1)); install one" >&2; \
				exit 1; \
			elif $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
				$$python -m venv .venv || { rm -rf .venv; exit 1; }; \
				break; \
			fi; \
		done; \
	fi
