# A thin face of the `practicum` command: what every target does is in practicum/ or scripts/.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help deps emulator test-deps venv docker-daemon ova docker archive inputs release content-release check-target explain lock lint fmt bench reproduce hardware \
	preflight prune clean site lectures smoke

COURSE ?=
ifneq ($(COURSE),)
# dash and zsh leave the ~ of COURSE=~/cs-202 as it is.
export PRACTICUM_COURSE := $(abspath $(COURSE:~/%=$(HOME)/%))
endif
SEMESTER ?=
INPUTS ?=
ARCH ?=
TO ?=
FOR ?=
of_inputs = $(INPUTS:%=--inputs=%)
of_arch = $(ARCH:%=--arch=%)
VENV := .venv
PYTHON := $(VENV)/bin/python
# Should make be killed, even by SIGKILL, the build stops in order instead of going on unseen.
PRACTICUM := exec setpriv --pdeathsig TERM $(VENV)/bin/practicum
# Which products docker, archive, test and ci-build make and prove.
PRODUCTS ?= ova cpu cuda
only_cpu = $(if $(filter cuda,$(PRODUCTS)),,--product cpu)
include proof.mk
include ci.mk

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  SEMESTER=2027-spring picks one of semesters/; the newest if left out"
	@echo "  COURSE=FOLDER takes the course of that folder in place of this checkout's: docs/your-own-course.md"
	@echo "  ARCH=arm64 builds for another processor than this machine's, ARCH=all for all that semester.toml names"
	@echo "  INPUTS=FILE builds without a network, from the file that make inputs wrote"

ova: venv docker-daemon ## Build the VirtualBox appliance into dist/
	@$(PRACTICUM) ova $(SEMESTER) $(of_arch) $(of_inputs)

docker: venv docker-daemon ## Build the container images for GPU clusters and for laptops
	@$(PRACTICUM) docker $(only_cpu) $(SEMESTER) $(of_arch) $(of_inputs)

archive: venv docker-daemon ## Write the container images as OCI archives into dist/
	@$(PRACTICUM) archive $(only_cpu) $(SEMESTER) $(of_arch) $(of_inputs)

inputs: venv docker-daemon ## Write all packages of the last build into one file, for INPUTS=FILE
	@$(PRACTICUM) inputs $(only_cpu) $(SEMESTER) $(of_arch)

release: ARCH := all
release: check-target ova archive ## Assemble the release of a semester; TO=TARGET publishes it, docs/release.md
	@folder=$$($(PRACTICUM) release $(SEMESTER)) && echo "$$folder" && \
		if [[ -n "$(TO)" ]]; then $(PRACTICUM) release publish "$$folder" --to "$(TO)"; fi

content-release: venv ## Write the students' files alone, which machines fetch; TO=TARGET publishes them
	@folder=$$($(PRACTICUM) release content $(SEMESTER)) && echo "$$folder" && \
		if [[ -n "$(TO)" ]]; then $(PRACTICUM) release publish "$$folder" --to "$(TO)"; fi

# A target that cannot take the release is told before the build.
check-target: venv
	$(if $(TO),@$(PRACTICUM) release check --to "$(TO)")

site: venv ## Write the course's page into dist/; it offers the release that is there
	@$(PRACTICUM) site $(SEMESTER)

lectures: venv docker-daemon ## Run the lectures that changed, for the pages of the products built after it
	@$(PRACTICUM) lectures $(SEMESTER)

smoke: venv ## Run the tests that COURSE brings along, in its smoke_tests/, on its cpu image
	@exec $(PYTHON) -m pytest -p smoke_tests.conftest -p smoke_tests.container.conftest -c pyproject.toml --rootdir=. \
		"$(PRACTICUM_COURSE)/smoke_tests"

explain: venv docker-daemon ## Say of each stage why it would run again
	@$(PRACTICUM) explain $(SEMESTER) $(of_arch)

lock: venv docker-daemon ## Resolve the Python sets of a semester again
	@$(PRACTICUM) lock $(SEMESTER)

lint: venv ## Run every linter
	@exec $(PYTHON) -m pytest tests/test_linters.py

fmt: venv ## Format Python and Packer files
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .
	@if command -v packer >/dev/null; then packer fmt packer; fi

bench: venv test-deps docker-daemon ## Measure sizes and times into docs/figures.md
	@exec $(PYTHON) scripts/bench.py $(SEMESTER)

reproduce: venv docker-daemon ## Build PRODUCTS once more, elsewhere and without a network, and compare the bytes
	@PRODUCTS="$(PRODUCTS)" ARCH="$(ARCH)" exec $(PYTHON) scripts/reproduce.py $(SEMESTER)

hardware: venv test-deps ## Boot the appliance on the hardware of other hypervisors
	@exec $(PYTHON) scripts/hardware.py $(SEMESTER)

preflight: venv ## Look at all this machine needs for a build; FOR="ova docker archive" says for which
	@$(PRACTICUM) preflight $(FOR:%=--for=%) $(only_cpu) $(SEMESTER) $(of_arch)

deps: ## Name the missing Debian packages and, as root, install them
	@scripts/install-deps.sh ova

emulator: ## As root, install what ARCH needs for another processor than this machine's
	@scripts/make-emulator.sh

# What runs the products for ARM is installed where they are proved.
test-deps:
	@scripts/install-deps.sh ova test $(if $(PROOF_ARM64)$(wildcard dist/*/*-arm64.ova),arm64)
	@scripts/make-qemu.sh build/qemu

venv: deps ## Make the Python environment .venv
	@scripts/make-venv.sh $(VENV)

docker-daemon: deps ## Start the docker daemon if none answers
	@scripts/start-docker.sh

prune: venv ## Remove old outputs from the cache
	@$(PRACTICUM) prune

clean: ## Remove build/ and dist/ of this checkout; the cache stays
	@rm -rf --one-file-system build dist .pytest_cache .mypy_cache .ruff_cache
