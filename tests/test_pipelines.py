"""The pipelines of GitLab and GitHub: what runs for which event, in which order, with which rights."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_rules import judge_github, judge_gitlab
from pipelines import ROOT, TAG, Ran, Sandbox, make_sandbox, run_on_github, run_on_gitlab

WORKFLOWS = ROOT / ".github/workflows"
GITLAB = ".gitlab-ci.yml"
EVENTS = ("merge request", "main", "schedule", "tag", "other tag")
PUBLISHING = {"ci-candidate", "ci-release", "ci-pages"}
TARGETS = {
    "merge request": ["ci-check", "ci-build"],
    "main": ["ci-check", "ci-build"],
    "schedule": ["ci-refresh"],
    "tag": ["ci-build", "ci-release", "ci-pages"],
    "other tag": [],
}
WITH_GPU = ["ci-build", "ci-candidate", "ci-gpu", "ci-release", "ci-pages"]


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return make_sandbox(tmp_path)


def on_gitlab(sandbox: Sandbox, event: str, **variables: str) -> Ran:
    """As run_on_gitlab, by somebody who approves every release."""
    return run_on_gitlab(sandbox, event, "--manual", "release", **variables)


# Each starts a program that runs a whole pipeline: seconds, on a busy machine more.
pipeline = pytest.mark.slow
HOSTS = pytest.mark.parametrize("run", [run_on_github, on_gitlab], ids=["GitHub", "GitLab"])
Run = Callable[..., Ran]


# ---- what runs -----------------------------------------------------------------------------------------------------


@pipeline
@HOSTS
@pytest.mark.parametrize("event", EVENTS)
def test_each_event_runs_its_targets_in_their_order(run: Run, event: str, sandbox: Sandbox) -> None:
    ran = run(sandbox, event)
    assert ran.targets == TARGETS[event], ran.output
    assert ran.code == 0 or event == "other tag", ran.output


@pipeline
@HOSTS
def test_a_tag_with_a_gpu_proves_the_candidate_before_it_is_released(run: Run, sandbox: Sandbox) -> None:
    ran = run(sandbox, "tag", GPU_RUNNER="gpu")
    assert ran.targets == WITH_GPU, ran.output
    assert {call.tag for call in ran.calls if call.target != "ci-pages"} == {TAG}
    assert (sandbox.folder / "gpu-was-proved").exists(), "the report of the GPU did not reach the release"


@pipeline
@HOSTS
@pytest.mark.parametrize("event", ["merge request", "main", "schedule"])
def test_only_a_tag_publishes_or_sees_the_signing_key(run: Run, event: str, sandbox: Sandbox) -> None:
    ran = run(sandbox, event, GPU_RUNNER="gpu", BUILD_RUNNER="own")
    assert ran.calls and not PUBLISHING & set(ran.targets)
    assert not any("SIGNING_KEY" in call.secrets or "REGISTRY_TOKEN" in call.secrets for call in ran.calls)


@pipeline
@HOSTS
def test_a_merge_request_builds_cpu_and_ova_and_sees_no_secret(run: Run, sandbox: Sandbox) -> None:
    ran = run(sandbox, "merge request", BUILD_RUNNER="own")
    assert [(call.products, call.secrets) for call in ran.calls if call.target == "ci-build"] == [("ova cpu", ())]


@pipeline
@HOSTS
@pytest.mark.parametrize("target, expected", [("ci-build", ["ci-build"]), ("ci-gpu", WITH_GPU[:3])])
def test_nothing_is_released_when_the_proof_fails(run: Run, target: str, expected: list[str], sandbox: Sandbox) -> None:
    sandbox.fail(target)
    ran = run(sandbox, "tag", GPU_RUNNER="gpu")
    assert ran.targets == expected and ran.code != 0, ran.output


@pipeline
def test_gitlab_releases_nothing_before_somebody_approves(sandbox: Sandbox) -> None:
    """GitLab waits; gitlab-ci-local refuses at once, since the pages need a job that nobody started."""
    ran = run_on_gitlab(sandbox, "tag")
    assert not PUBLISHING & set(ran.targets) and "release is when:manual" in ran.output
    assert "allow_failure: false" in (ROOT / GITLAB).read_text(), "else the pipeline would go on without the approval"


def test_github_asks_for_approval(sandbox: Sandbox) -> None:
    """act knows no reviewers; the environment's name is what GitHub's settings refer to."""
    text = (WORKFLOWS / "release.yml").read_text()
    assert text.count("environment: release") == 1 and text.index("environment: release") < text.index(
        "make ci-release"
    )


# ---- what is written -----------------------------------------------------------------------------------------------


def zizmor(folder: Path) -> "subprocess.CompletedProcess[str]":
    tool = Path(sys.executable).with_name("zizmor")
    if not tool.exists():
        pytest.skip("zizmor is not in this Python's environment: make venv installs it")
    argv = [tool, "--offline", "--no-progress", "--color=never", folder]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "schema, files",
    [("github-workflows", sorted(WORKFLOWS.glob("*.yml"))), ("gitlab-ci", [ROOT / GITLAB])],
    ids=["GitHub", "GitLab"],
)
def test_pipelines_keep_to_the_schema_of_their_host(schema: str, files: list[Path]) -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    if not tool.exists():
        pytest.skip("check-jsonschema is not in this Python's environment: make venv installs it")
    argv = [tool, "--builtin-schema", f"vendor.{schema}", *files]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert files and done.returncode == 0, done.stdout


def test_zizmor_finds_nothing() -> None:
    done = zizmor(WORKFLOWS)
    assert done.returncode == 0 and "No findings to report" in done.stdout, done.stdout


def test_pipelines_keep_our_rules() -> None:
    assert judge_github(WORKFLOWS) == []
    assert list(judge_gitlab(ROOT / GITLAB)) == []


@pipeline
@pytest.mark.parametrize("event", EVENTS[:4])
@pytest.mark.parametrize("gpu", [{}, {"GPU_RUNNER": "gpu"}], ids=["no GPU", "GPU"])
def test_gitlab_needs_no_job_that_the_event_excludes(event: str, gpu: dict[str, str], sandbox: Sandbox) -> None:
    ran = validate_needs(sandbox, event, **gpu)
    assert ran.code == 0, ran.output


def validate_needs(sandbox: Sandbox, event: str, **variables: str) -> Ran:
    """Looks at the needs as they are after the approval, which this option of gitlab-ci-local does not know."""
    sandbox.edit(GITLAB, "      when: manual\n      allow_failure: false\n", "")
    return run_on_gitlab(sandbox, event, "--validate-dependency-chain", **variables)


# ---- the rules find what breaks them -------------------------------------------------------------------------------

PIN = "@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
MUTATIONS = [
    ("check.yml", "    timeout-minutes: 15\n", "", "check.yml: check: no time limit"),
    ("release.yml", "timeout-minutes: 120", "timeout-minutes: 1200", "release.yml: release: no time limit"),
    ("refresh.yml", PIN, "@v7", "refresh.yml: not by its hash"),
    ("release.yml", PIN, PIN.partition(" ")[0], "release.yml: not by its hash"),
    ("check.yml", "      contents: read\n", "      contents: write\n", "check.yml: check: permissions are"),
    (
        "check.yml",
        "      contents: read\n",
        "      contents: read\n      issues: read\n",
        "check.yml: check: permissions are",
    ),
    ("check.yml", "permissions: {}", "permissions: read-all", "check.yml: permissions at the top"),
    (
        "release.yml",
        "          persist-credentials: false",
        "          persist-credentials: true",
        "keeps its credentials",
    ),
    ("release.yml", "needs.gpu.result)", "needs.build.result)", "release: needs gpu, which may be excluded"),
    ("release.yml", "needs: [build, gpu]", "needs: [build, gpus]", "release: needs gpus, which is no job"),
    ("check.yml", "runs-on: ubuntu-24.04", "runs-on: ubuntu-latest", "the runner's system is not pinned"),
    ("refresh.yml", "run: make ci-refresh", "run: make lock && git push", "runs something else than a target"),
    ("refresh.yml", "concurrency:\n  group: refresh\n  cancel-in-progress: false\n", "", "refresh.yml: no concurrency"),
]


@pytest.mark.parametrize("file, before, after, finding", MUTATIONS, ids=[f"{row[0]}: {row[3]}" for row in MUTATIONS])
def test_a_workflow_that_breaks_a_rule_is_found(
    file: str, before: str, after: str, finding: str, tmp_path: Path
) -> None:
    folder = tmp_path / "workflows"
    shutil.copytree(WORKFLOWS, folder)
    text = (folder / file).read_text()
    assert before in text
    (folder / file).write_text(text.replace(before, after, 1))
    assert any(finding in found for found in judge_github(folder)), judge_github(folder)


@pytest.mark.parametrize(
    "before, after",
    [
        (PIN, "@v7"),
        ("    permissions:\n      contents: read\n", "    permissions: write-all\n"),
        ("run: make ci-check", 'run: make ci-check "${{ github.head_ref }}"'),
    ],
    ids=["unpinned", "all permissions", "an expression in a script"],
)
def test_zizmor_finds_what_is_dangerous(before: str, after: str, tmp_path: Path) -> None:
    text = (WORKFLOWS / "check.yml").read_text()
    assert before in text
    workflows = tmp_path / ".github/workflows"
    workflows.mkdir(parents=True)
    (workflows / "check.yml").write_text(text.replace(before, after, 1))
    assert zizmor(workflows).returncode != 0


def test_gitlabs_job_without_limit_is_found(tmp_path: Path) -> None:
    text = (ROOT / GITLAB).read_text()
    (tmp_path / GITLAB).write_text(text.replace("  timeout: 6 hours\n", "", 1))
    assert list(judge_gitlab(tmp_path / GITLAB)) == ["refresh: no time limit"]


@pipeline
@pytest.mark.parametrize(
    "before, after",
    [("    - job: gpu\n      optional: true\n", "    - gpu\n"), ("  needs: [check]\n", "  needs: [refresh]\n")],
    ids=["the optional GPU", "another event's job"],
)
def test_gitlabs_need_of_an_excluded_job_is_found(before: str, after: str, sandbox: Sandbox) -> None:
    sandbox.edit(GITLAB, before, after)
    event = "tag" if "gpu" in after else "main"
    ran = validate_needs(sandbox, event)
    assert ran.code != 0 and "need" in ran.output
