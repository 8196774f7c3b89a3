# Each target installs what it needs. Requirements: Python 3.11 or later, and make.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo demo-cloud test test-fast check bench bench-competitors bench-rivals fidelity screenshots chaos fuzz load lint lock images \
  clean .venv

help: ## list targets
	@awk -F':.*## ' '/^[a-z.-]+:.*## / {printf "make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv: .venv/.ready ## create the virtual environment from the lock file

.venv/.ready: requirements/app.lock pyproject.toml
	$(PYTHON) requirements/check_python.py
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes --requirement requirements/app.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m native.warm_up --quiet
	touch $@

.venv/.ready-dev: .venv/.ready requirements/dev.lock
	$(BIN)/pip install --quiet --require-hashes --requirement requirements/dev.lock
	touch $@

.venv/.ready-fuzz: .venv/.ready-dev requirements/fuzz.lock
	$(BIN)/pip install --quiet --only-binary atheris --require-hashes --requirement requirements/fuzz.lock
	touch $@

demo: .venv/.ready ## run the complete system on sample photos, or on PHOTOS=~/Pictures
	@$(BIN)/slideshow demo $(PHOTOS) $(DEMO)

demo-cloud: .venv/.ready ## run the demo with local emulators of Google Cloud and with the disk, and compare the output
	@$(BIN)/python -m bench.cloud_demo.run $(PHOTOS)

test: .venv/.ready-dev ## run the test suite (about eight minutes on two cores)
	$(BIN)/python -m pytest -n 2 --dist worksteal --benchmark-disable -m "not long" --cov --cov-report=term --cov-fail-under=90

test-fast: .venv/.ready-dev ## run the tests that start no server, process or browser (under a minute)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist worksteal --benchmark-disable -p no:schemathesis \
	  --hypothesis-profile=fast -m "not server and not browser and not slow and not long"

check: .venv/.ready-dev ## run the test suite with its long tests (at most 45 minutes)
	$(BIN)/python -m pytest -n 2 --dist worksteal --benchmark-disable --cov --cov-report=term --cov-fail-under=90

bench: .venv/.ready-dev ## run all benchmarks with competitors, on generated pictures or SAMPLES=folder
	$(BIN)/python -m bench run --report $(if $(SAMPLES),--samples "$(SAMPLES)") $(BENCH)

bench-competitors: ## install competitors that need Node.js (npm ci); otherwise `make bench` lists them as missing
	cd bench/contenders/node && npm ci --no-audit --no-fund

bench-rivals: bench-competitors

fidelity: .venv/.ready-dev ## render every file of FOLDER and compare it with an independent decoder; the page is build/fidelity.html
	@$(BIN)/python -m bench.fidelity "$(FOLDER)"

# Without Docker: make images IMAGE_BUILD="buildah bud --isolation chroot --network host" SLIDESHOW_IMAGES=buildah
IMAGE_BUILD ?= docker build
images: .venv/.ready-dev ## build and check the images; with SLIDESHOW_IMAGES=buildah also run them
	$(IMAGE_BUILD) -f Dockerfile.processor -t slideshow-processor .
	$(IMAGE_BUILD) -f Dockerfile.backend -t slideshow-backend .
	$(IMAGE_BUILD) -f Dockerfile.backend --target with-workers -t slideshow-backend-with-workers .
	$(BIN)/python -m pytest -s tests/deploy/test_images.py

screenshots: .venv/.ready-dev ## save a picture of every page in build/screenshots/ (needs Chromium)
	$(BIN)/python tests/web/take_screenshots.py

chaos: .venv/.ready-dev ## run the fault-injection suite (300 photos, SEEDS=50) and report lost, stuck or duplicated work
	@$(BIN)/python -m tests.faults --seeds $(or $(SEEDS),50) $(CHAOS)

fuzz: .venv/.ready-fuzz ## run coverage-guided fuzzing of all parsers for SECONDS=60; findings are stored in build/fuzz/
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(FUZZ)

load: .venv/.ready-dev ## run the load test: 32 connections for SECONDS=60 that upload, report results and poll
	@$(BIN)/python -m tests.load --seconds $(or $(SECONDS),60)

lint: .venv/.ready-dev ## check style, types and import layers: ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: .venv/.ready-dev ## update the lock files from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" --extra processor --extra backend --extra cli --extra build \
	  pyproject.toml --output-file requirements/app.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" --extra processor --extra backend --extra cli --extra build --extra trace --extra dev \
	  --constraint requirements/app.lock pyproject.toml --output-file requirements/dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" --extra fuzz --constraint requirements/dev.lock pyproject.toml --output-file requirements/fuzz.lock
	for part in processor backend trace wheels; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate \
	    --custom-compile-command "make lock" --extra $$part \
	    --constraint requirements/app.lock pyproject.toml --output-file requirements/$$part.lock || exit 1; \
	done

clean: ## remove the environment and all build output; photos and data folders are kept
	rm -rf .venv build .pytest_cache .ruff_cache .mypy_cache .coverage*
