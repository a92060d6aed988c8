# What a pipeline runs. .gitlab-ci.yml and .github/workflows/ call these targets and decide nothing themselves, so each can
# be run by hand. docs/release.md explains their variables.
TAG ?=
ifneq ($(TAG),)
# All of the tag but its last word, without a shell: a tag may hold anything.
words_of_tag := $(subst -, ,$(TAG))
SEMESTER := $(subst $() ,-,$(strip $(wordlist 2,$(words $(words_of_tag)),- $(words_of_tag))))
endif
.PHONY: ci-check ci-build ci-refresh ci-candidate ci-gpu ci-release ci-pages

# A runner's user is often not root. The files of the build have many owners, so root makes them.
as_root = $(shell [[ $$(id -u) == 0 ]] || echo sudo --preserve-env)
again = $(as_root) $(MAKE) --no-print-directory
goals = $(filter ova,$(PRODUCTS)) $(if $(filter cpu cuda,$(PRODUCTS)),docker archive)
# A release is for all architectures that its semester names, and so is its proof.
ifneq ($(TAG),)
of_all := ARCH=all
all := -arm64
endif

ci-check: ## Pipeline: prove in 15 minutes what needs no build
	@$(again) test-quick

ci-build: ## Pipeline: build PRODUCTS, prove them, write down which bytes were proved
	@$(as_root) scripts/ci/runner.sh
	@$(again) preflight FOR="$(goals)" $(of_all)
	@$(again) $(goals) $(of_all)
	@$(as_root) $(PYTHON) scripts/ci/products.py note $(SEMESTER)
	@$(again) test$(all)
	@$(as_root) $(PYTHON) scripts/ci/products.py check $(SEMESTER)

ci-refresh: ## Pipeline: new versions, built and proved, as one merge request
	@$(again) venv docker-daemon
	@$(as_root) $(PYTHON) scripts/ci/refresh.py $(SEMESTER)

ci-candidate: ## Pipeline: send the cuda image to REGISTRY, for the machine with the GPU
	@$(as_root) scripts/ci/candidate.sh $(SEMESTER)

ci-gpu: ## Pipeline: prove the image IMAGE, named by its digest, on a GPU
	@scripts/ci/gpu.sh

ci-release: ## Pipeline: release what was proved, sign it, publish it
	@if [[ ! -e build/products.json ]]; then $(again) ci-build; else $(again) $(goals) $(of_all); fi
	@$(as_root) $(PYTHON) scripts/ci/products.py check $(SEMESTER)
	@$(as_root) scripts/ci/login.sh
	@$(as_root) $(PYTHON) scripts/ci/release.py $(TAG)

ci-pages: ## Pipeline: show the course's page, public/
	@scripts/ci/pages.sh
