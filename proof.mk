# The graph of the proof. Each part is a target test-NAME and can be run alone: make test-NAME. Behind its colon stand the
# parts it needs. Parts that do not need each other run side by side, in the order of PARTS: the long ones first.
REPORT := build/report
STUDENTS := build/course-venv
CONTENT := build/content
PROOF_JOBS ?= $(shell echo $$(($$(nproc) + 1)))

PARTS := build-ova site students-python build-images first-boot interrupts unit course second-machine robust look upgrade gpu-lectures \
	updates cpu-lectures server runtimes example products gpu-programs cpu-programs virtualbox archive services start shutdown slow-host \
	samples disk linters students-sample compute
# Of the products for ARM: those of every proof, and those of make test-arm64 alone.
ARM := build-arm64 image-arm64 first-boot-arm64 container-arm64 disk-arm64 virtualbox-arm64
ARM_REST := archive-arm64 machine-arm64 start-arm64 server-arm64 content-arm64 packages-arm64 registry-arm64
QUICK := linters unit-quick container-quick
PATIENT := interrupts unit course linters
# No parts of the proof: a release runs them besides.
RELEASE_TIME := trixie cluster
EACH := $(PARTS) $(ARM) $(ARM_REST) $(QUICK) $(RELEASE_TIME)
.PHONY: test test-arm64 test-quick screenshots $(EACH:%=test-%)

# As in the products, and since the parts share the cores.
export OMP_WAIT_POLICY := PASSIVE
export OMP_NUM_THREADS := 1
# What one part has compiled, the next need not compile again.
unexport PYTHONDONTWRITEBYTECODE

# Like its tests, a part must not outlive make, even when that is killed. What nothing waits for leaves the cores to the
# builds, whose containers together weigh as much as one process.
name = $(@:test-%=%)
part = @exec setpriv --pdeathsig TERM $(if $(filter $(PATIENT),$(name)),nice) $(PYTHON) scripts/proof_part.py $(name)
options = --instafail --junitxml=$(REPORT)/$(name).xml
pytest = $(part) $(PYTHON) -m pytest $(options)
students_pytest = $(part) $(STUDENTS)/bin/python -m pytest $(options)
# An image of an earlier build must not pass for the one that was left out.
without_cuda = $(if $(only_cpu),--skip-missing-image --cuda-image=not-built)
of_semester = $(SEMESTER:%=--semester=%) $(without_cuda)
# A line for each test: some take minutes.
machine_pytest = $(pytest) $(of_semester) --verbose
arm_pytest = $(machine_pytest) --arch=arm64
arm_build = $(part) $(PYTHON) scripts/proof_build.py arm64 "$(SEMESTER)"

# Runs the parts $(1), each to its end, whatever fails; the report decides whether the proof holds.
define prove
@$(PYTHON) scripts/proof_report.py begin
@setpriv --pdeathsig TERM $(MAKE) --keep-going --jobs=$(PROOF_JOBS) --no-print-directory $(1:%=test-%) || true
@$(PYTHON) scripts/proof_report.py end $(1)
endef

test: venv test-deps docker-daemon ## Prove everything: unit tests, linters, the builds, and what was built
	$(call prove,$(ARM) $(PARTS))
test-arm64: export PROOF_ARM64 := 1
test-arm64: venv test-deps docker-daemon ## Prove everything, with the products for ARM, which are built, and the rest of their tests
	@scripts/make-emulator.sh || true
	$(call prove,$(ARM) $(PARTS) $(ARM_REST))
test-quick: venv docker-daemon ## Prove in three minutes what a commit may break: no builds, no machine
	$(call prove,$(QUICK))
$(EACH:%=test-%): | venv docker-daemon

# ---- the builder ----

test-linters:
	$(pytest) tests/test_linters.py
test-unit:
	$(pytest) tests --ignore=tests/course --ignore=tests/test_linters.py --ignore=tests/test_interrupts.py \
		--ignore=tests/test_trim.py --ignore=tests/test_trixie.py --ignore=tests/example
test-unit-quick:
	$(pytest) tests --ignore=tests/course --ignore=tests/example --ignore=tests/test_linters.py -m "not slow"
test-trixie: test-deps
	$(pytest) tests/test_trim.py tests/test_trixie.py

# ---- the builds: of the products, and of small ones that are interrupted and take their base from the first ----

test-build-ova:
	$(part) $(VENV)/bin/practicum ova $(SEMESTER)
test-build-images: test-build-ova
	$(part) $(VENV)/bin/practicum docker $(only_cpu) $(SEMESTER)
test-archive: test-build-images
	$(part) $(VENV)/bin/practicum archive --product cpu $(SEMESTER)
test-interrupts: test-build-ova
	$(pytest) tests/test_interrupts.py

# ---- the course's commands and content ----

test-students-python:
	$(part) scripts/make-students-python.sh $(STUDENTS) $(CONTENT) $(SEMESTER)
test-course: test-students-python
	$(students_pytest) tests/course
test-cpu-lectures test-cpu-programs: test-cpu-%: test-build-images
	$(pytest) smoke_tests/container/test_content.py -k "plain and $*" $(of_semester)
test-gpu-lectures test-gpu-programs: test-gpu-%: test-build-images
	$(pytest) smoke_tests/container/test_content.py -k "pretended and $*" $(of_semester)
test-students-sample: test-students-python
	$(students_pytest) smoke_tests/content -m sample -k "not pretended and not lecture" --content $(CONTENT)
test-compute: test-students-python
	$(students_pytest) -c smoke_tests/compute/pytest.ini smoke_tests/compute/test_devices.py smoke_tests/compute/test_libraries.py
test-samples: test-build-images
	$(pytest) smoke_tests/container/test_content.py smoke_tests/appliance/test_content.py -k sample $(of_semester)

# ---- the course's page ----

test-site: test-deps
	$(pytest) smoke_tests/site $(SEMESTER:%=--semester=%)

# ---- the appliance ----

test-first-boot: test-build-ova
	$(machine_pytest) smoke_tests/appliance/test_first_boot.py
test-second-machine: test-first-boot
	$(machine_pytest) smoke_tests/appliance/test_second_machine.py
test-look: test-first-boot
	$(machine_pytest) smoke_tests/appliance/test_boot.py smoke_tests/appliance/test_system.py smoke_tests/appliance/test_browser.py
test-robust: test-first-boot
	$(machine_pytest) smoke_tests/appliance/test_robust.py
test-upgrade: test-first-boot
	$(machine_pytest) smoke_tests/appliance/test_upgrade.py
test-updates: test-first-boot
	$(machine_pytest) smoke_tests/appliance/test_update.py
test-shutdown: test-first-boot
	$(machine_pytest) smoke_tests/appliance/test_shutdown.py -k "not second_start"
test-slow-host: test-first-boot
	$(machine_pytest) smoke_tests/appliance/test_slow_host.py
test-virtualbox: test-build-ova
	$(machine_pytest) smoke_tests/appliance/test_virtualbox.py smoke_tests/appliance/test_exports.py
test-disk: test-build-images test-students-python
	$(machine_pytest) smoke_tests/appliance/test_image.py smoke_tests/appliance/test_packages.py smoke_tests/appliance/test_tree.py

screenshots: test-deps test-build-ova test-students-python ## Take the pictures of docs/student.md from the appliance
	$(machine_pytest) smoke_tests/appliance/screenshots.py

# ---- the container images ----

test-runtimes: test-build-images
	$(pytest) smoke_tests/container/test_runtimes.py $(of_semester)
test-start: test-build-images
	$(pytest) smoke_tests/container/test_start.py $(of_semester)
test-server: test-build-images
	$(pytest) smoke_tests/container/test_server.py smoke_tests/container/test_health.py smoke_tests/container/test_student.py \
		smoke_tests/container/test_update.py $(of_semester)
test-products: test-build-images
	$(pytest) smoke_tests/container/test_image.py smoke_tests/container/test_verify.py $(of_semester)
test-services: test-archive
	$(pytest) smoke_tests/container/test_hub.py smoke_tests/container/test_compose.py smoke_tests/container/test_kubernetes.py \
		smoke_tests/container/test_archive.py smoke_tests/container/test_devcontainer.py $(of_semester)
test-container-quick:
	$(pytest) smoke_tests/container/test_server.py -k "address or credential" --skip-missing-image $(of_semester)

test-cluster: test-build-images
	$(machine_pytest) smoke_tests/cluster

# ---- another course, built beside ours ----

test-example: test-build-images
	$(pytest) tests/example

# ---- the products for ARM, on this machine's emulators; they are skipped where they cannot be built or nobody wants them ----

test-build-arm64: test-archive
	$(arm_build) ova --arch=arm64
test-image-arm64: test-build-arm64
	$(arm_build) docker --arch=arm64 --product=cpu
test-archive-arm64: test-image-arm64 test-archive
	$(arm_build) archive --arch=all --product=cpu
test-first-boot-arm64: test-build-arm64
	$(arm_pytest) smoke_tests/appliance/test_first_boot.py smoke_tests/appliance/test_notebook.py \
		smoke_tests/appliance/test_shutdown.py -k "not second_start"
test-machine-arm64: test-first-boot-arm64
	$(arm_pytest) smoke_tests/appliance/test_shutdown.py smoke_tests/appliance/test_boot.py smoke_tests/appliance/test_system.py
test-virtualbox-arm64: test-build-arm64
	$(arm_pytest) smoke_tests/appliance/test_virtualbox.py
test-disk-arm64: test-build-arm64
	$(arm_pytest) smoke_tests/appliance/test_image.py smoke_tests/appliance/test_tree.py -k "not installed"
test-packages-arm64: test-image-arm64
	$(arm_pytest) smoke_tests/appliance/test_packages.py smoke_tests/appliance/test_tree.py::test_packages_can_be_installed \
		--skip-missing-image
test-container-arm64: test-image-arm64
	$(arm_pytest) smoke_tests/container/test_content.py::test_two_practicals \
		smoke_tests/container/test_start.py::test_read_only_root_runs_the_wanted_user \
		"smoke_tests/container/test_start.py::test_user[--user]" \
		smoke_tests/container/test_health.py::test_unknown_user_with_a_runtime_folder_elsewhere
test-content-arm64: test-image-arm64
	$(arm_pytest) smoke_tests/container/test_content.py::test_rest_that_is_small smoke_tests/appliance/test_content.py
test-start-arm64: test-image-arm64
	$(arm_pytest) smoke_tests/container/test_start.py
test-server-arm64: test-image-arm64
	$(arm_pytest) smoke_tests/container/test_server.py smoke_tests/container/test_health.py smoke_tests/container/test_image.py \
		--skip-missing-image
test-registry-arm64: test-archive-arm64
	$(arm_pytest) smoke_tests/container/test_index.py
