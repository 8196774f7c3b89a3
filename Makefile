# Each target does its own set-up: nothing but python3 (3.11 or later) and make is needed.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo demo-cloud test test-fast check bench bench-rivals screenshots chaos fuzz load lint lock images clean .venv

help: ## say what there is
	@awk -F':.*## ' '/^[a-z.-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv: .venv/.ready ## the environment: made once, from the lock file

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

demo: .venv/.ready ## run the whole system on sample photos, or on PHOTOS=~/Pictures
	@$(BIN)/slideshow demo $(PHOTOS) $(DEMO)

demo-cloud: .venv/.ready ## the same over an imitated Google Cloud and over the disk, and whether both made the same
	@$(BIN)/python -m bench.cloud_demo.run $(PHOTOS)

# An empty PYTHONDONTWRITEBYTECODE keeps what pytest compiled of the test modules, for the next run.
test-fast: .venv/.ready-dev ## the tests that need no server and no browser, within a minute
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2 --dist worksteal --benchmark-disable -p no:schemathesis \
	  --hypothesis-profile=fast -m "not server and not browser and not slow and not long"

test: .venv/.ready-dev ## the test suite, some eight minutes on two cores
	$(BIN)/python -m pytest -n 2 --dist worksteal --benchmark-disable -m "not long" --cov --cov-report=term --cov-fail-under=90

check: .venv/.ready-dev ## the suite with its long forms, at most 45 minutes
	$(BIN)/python -m pytest -n 2 --dist worksteal --benchmark-disable --cov --cov-report=term --cov-fail-under=90

bench: .venv/.ready-dev ## measure everything beside its rivals, over made pictures or SAMPLES=folder
	$(BIN)/python -m bench run --report $(if $(SAMPLES),--samples "$(SAMPLES)") $(BENCH)

bench-rivals: ## install the rivals that need Node.js (npm ci); without them `make bench` names them as missing
	cd bench/contenders/node && npm ci --no-audit --no-fund

# Without Docker: make images IMAGE_BUILD="buildah bud --isolation chroot --network host" SLIDESHOW_IMAGES=buildah
IMAGE_BUILD ?= docker build
images: .venv/.ready-dev ## build the images, and look inside; with SLIDESHOW_IMAGES=buildah run them too
	$(IMAGE_BUILD) -f Dockerfile.processor -t slideshow-processor .
	$(IMAGE_BUILD) -f Dockerfile.backend -t slideshow-backend .
	$(IMAGE_BUILD) -f Dockerfile.backend --target with-workers -t slideshow-backend-with-workers .
	$(BIN)/python -m pytest -s tests/deploy/test_images.py

screenshots: .venv/.ready-dev ## every page in a browser, as pictures in build/screenshots/; needs a Chromium
	$(BIN)/python tests/web/take_screenshots.py

chaos: .venv/.ready-dev ## kill, lose, double and break everything over 300 photos, SEEDS=50 times; what was lost, stuck or done twice
	@$(BIN)/python -m tests.faults --seeds $(or $(SEEDS),50) $(CHAOS)

fuzz: .venv/.ready-fuzz ## whatever parses bytes from outside, guided by coverage, for SECONDS=60 in all; findings stay in build/fuzz/
	@PYTHONPATH=tests/hostile $(BIN)/python -m fuzz --seconds $(or $(SECONDS),60) $(FUZZ)

load: .venv/.ready-dev ## 32 connections at once for SECONDS=60: uploads, results of ten tasks, polls of frames
	@$(BIN)/python -m tests.load --seconds $(or $(SECONDS),60)

lint: .venv/.ready-dev ## check style, types and import layers: ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: .venv/.ready-dev ## renew the lock files from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" --extra processor --extra backend --extra cli --extra build \
	  pyproject.toml --output-file requirements/app.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" --extra processor --extra backend --extra cli --extra build --extra dev \
	  --constraint requirements/app.lock pyproject.toml --output-file requirements/dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" --extra fuzz --constraint requirements/dev.lock pyproject.toml --output-file requirements/fuzz.lock
	for part in processor backend wheels; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate \
	    --custom-compile-command "make lock" --extra $$part \
	    --constraint requirements/app.lock pyproject.toml --output-file requirements/$$part.lock || exit 1; \
	done

clean: ## remove the environment and everything made; photos and data folders stay
	rm -rf .venv build .pytest_cache .ruff_cache .mypy_cache .coverage*
