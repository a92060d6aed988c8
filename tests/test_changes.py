"""practicum.release.changes, versions and commits: what differs between releases, semesters and commits."""

import json

import pytest
from checkout import SEMESTER, Checkout
from test_revision import git

from practicum.engine.errors import PracticumError
from practicum.release import commits
from practicum.release.changes import is_empty, render_changes, summarize
from practicum.release.record import Product, ProductName, Proof, Record, write_record
from practicum.release.versions import Policy, is_major, list_breaches


def make_record(number: int = 1, proof: Proof = Proof(), floors: dict[str, str] | None = None, **of: object) -> Record:  # noqa: B008
    """A record whose products are alike, with what is given as `of`."""
    names: tuple[ProductName, ...] = ("appliance", "cpu", "cuda")
    products = {name: Product.model_validate(of) for name in names}
    return Record(
        semester=SEMESTER,
        number=number,
        revision=f"{number}" * 40,
        created="2026-11-29T17:09:17Z",
        products=products,
        proof=proof,
        floors=floors or {},
    )


def change(record: Record, name: ProductName, **update: object) -> Record:
    product = record.products[name].model_copy(update=update)
    return record.model_copy(update={"products": {**record.products, name: product}})


@pytest.mark.parametrize(
    ("before", "after", "major"),
    [
        ("5.2.15-2+b13", "5.2.21-1", False),
        ("3.0.17-1", "4.0.0-1", True),
        ("2:9.0", "2:9.1", False),
        ("1:1.0", "2:1.0", True),
        ("1.0", "1:1.0", True),
        ("2026.10.18", "2027.1.1", False),
        ("20250419~deb12u2", "20260101", False),
        ("2025b-0", "2026a-0", False),
        ("n2.1", "n3.0", True),
        ("33", "33a", False),
    ],
)
def test_first_number_of_a_version_is_major_but_a_year_is_not(before: str, after: str, major: bool) -> None:
    assert is_major(before, after) is major


def test_packages_are_told_once_with_the_products_they_are_in() -> None:
    old = make_record(debian={"curl": "7.88.1-10", "openssl": "3.0.17", "gone": "1"}, python={"torch": "2.13.0"})
    new = make_record(2, debian={"curl": "7.88.1-11", "openssl": "4.0.1", "new": "2"}, python={"torch": "2.13.0"})
    text = render_changes(old, change(new, "cuda", debian={"curl": "7.88.1-10", "openssl": "4.0.1", "new": "2"}))
    assert text.startswith(
        f"# From {SEMESTER}-r1 to {SEMESTER}-r2\n\n4 Debian packages, no Python packages and no files"
    )
    assert "| curl | 7.88.1-10 | 7.88.1-11 |  | appliance, cpu |" in text
    assert "| openssl | 3.0.17 | 4.0.1 | **major** | all |" in text
    assert "| gone | 1 | - | removed |" in text and "| new | - | 2 | added |" in text
    assert "## Python packages" not in text


def test_size_that_jumps_is_marked() -> None:
    old, new = make_record(bytes=1_000_000_000), make_record(2, bytes=1_050_000_000)
    text = render_changes(change(old, "cuda", bytes=2_000_000_000), change(new, "cuda", bytes=2_200_000_000))
    assert "| cpu | 1.0 GB | 1.1 GB | +5.0% |  |" in text
    assert "| cuda | 2.0 GB | 2.2 GB | +10.0% | **more than 5%** |" in text


def test_content_is_told_by_folder() -> None:
    old = make_record(content={"lectures/1.ipynb": "a", "lectures/2.ipynb": "b", "index.md": "c", "manifest.json": "d"})
    new = make_record(
        2, content={"lectures/1.ipynb": "x", "lectures/3.ipynb": "b", "index.md": "c", "manifest.json": "e"}
    )
    assert "| lectures | `3.ipynb` | `2.ipynb` | `1.ipynb` |" in render_changes(old, new)
    assert "manifest.json" not in render_changes(old, new)
    assert "3 files of the content" in summarize(old, new)


def test_tests_platform_floors_and_layers_are_told() -> None:
    old = make_record(floors={"torch": "1.13.1"}, layers=["sha256:1", "sha256:2"], cuda="13.0", driver="580")
    proof = Proof(passed=700, skipped=3, gpu="proved on NVIDIA H200, driver 580.1")
    new = make_record(
        2,
        proof,
        {"torch": "2.14"},
        layers=["sha256:1", "sha256:3"],
        cuda="14.0",
        driver="650",
        python={"torch": "2.13.0"},
    )
    text = render_changes(old, new)
    assert f"- {SEMESTER}-r1: not proved; GPU: not proved." in text
    assert "700 passed, 0 failed, 3 skipped; GPU: proved on NVIDIA H200, driver 580.1." in text
    assert "| CUDA of cuda | 13.0 | 14.0 |" in text and "| oldest driver branch of cuda | 580 | 650 |" in text
    assert "| torch | 1.13.1 | 2.14 |" in text and "**Below a floor: torch 2.13.0.**" in text
    assert f"- cpu: who has {SEMESTER}-r1 pulls 1 of 2 layers." in text


def test_first_release_has_nothing_to_be_compared_with() -> None:
    assert "first release" in render_changes(None, make_record())


def test_equal_records_are_empty() -> None:
    assert is_empty(make_record(python={"a": "1"}), make_record(2, python={"a": "1"}, bytes=3))
    assert not is_empty(make_record(python={"a": "1"}), make_record(2, python={"a": "2"}))
    assert not is_empty(make_record(), make_record(2, floors={"a": "1"}))


@pytest.mark.parametrize(
    ("policy", "name", "before", "after", "reason"),
    [
        ("none", "tqdm", "4.1", "4.2", "no change"),
        ("security", "tqdm", "4.1", "4.2", "closes no hole"),
        ("security", "tornado", "6.1", "6.4", ""),
        ("security", "tornado", "6.4", "6.5", "closes no hole"),
        ("security", "tornado", "", "6.4", "closes no hole"),
        ("security", "tornado", "6.1", "7.0", "major"),
        ("minor", "tqdm", "4.1", "4.2", ""),
        ("minor", "tqdm", "4.1", "5.0", "major"),
        ("minor", "tqdm", "4.2", "4.1", "older"),
        ("minor", "tqdm", "", "4.1", ""),
        ("minor", "torch", "2.13.0+cpu", "2.14.0+cpu", "by hand"),
        ("minor", "torchvision", "0.28.0", "0.28.1", "by hand"),
        ("minor", "nvidia-cublas", "13.1.0.3", "13.1.0.4", "by hand"),
        ("minor", "cuda-toolkit", "13.0.3.0", "", "by hand"),
    ],
)
def test_policy_says_what_a_refresh_may_change(policy: Policy, name: str, before: str, after: str, reason: str) -> None:
    old = make_record(python={name: before} if before else {})
    new = make_record(2, floors={"tornado": "6.3.2"}, python={name: after} if after else {})
    breaches = list_breaches(policy, old, new)
    assert bool(breaches) == bool(reason), breaches
    assert all(line.startswith(f"{name}: ") and reason in line for line in breaches)


def test_updates_of_debian_fit_security_and_its_major_versions_do_not() -> None:
    old = make_record(debian={"curl": "7.88.1-10+deb12u15", "linux-image-6.1.0-56-amd64": "6.1.192-2", "libc6": "2.36"})
    new = make_record(
        2, debian={"curl": "7.88.1-10+deb12u16", "linux-image-6.1.0-57-amd64": "6.1.192-3", "libc6": "3.0"}
    )
    assert list_breaches("security", old, new) == ["libc6: 2.36 -> 3.0: a major version"]
    assert len(list_breaches("none", old, new)) == 4


# ---- by name: releases, semesters, commits ----


@pytest.fixture
def repository(checkout: Checkout) -> Checkout:
    git(checkout.root, "init", "--quiet")
    git(checkout.root, "add", ".")
    git(checkout.root, "commit", "--quiet", "--message", "first")
    return checkout


def test_semester_with_changed_files_is_compared_with_a_commit(repository: Checkout) -> None:
    (line,) = (
        line for line in (repository.folder / "python-cpu.lock").read_text().splitlines() if line.startswith("tqdm==")
    )
    repository.replace(line, line.replace("==", "==99."), f"semesters/{SEMESTER}/python-cpu.lock")
    (repository.root / "course_content/index.md").write_text("new\n")
    (repository.root / "course_content/tools/README.md").write_text("students do not get this\n")
    text = render_changes(*commits.read_pair(repository.root, "HEAD", SEMESTER))
    assert "**major** | appliance, cpu |" in text
    assert "1 Python package and 1 file of the content" in text
    assert "| . |  |  | `index.md` |" in text


def test_two_commits_are_compared(repository: Checkout) -> None:
    repository.replace("bash=5.2", "bash=5.3", f"semesters/{SEMESTER}/debian.lock")
    git(repository.root, "commit", "--quiet", "--all", "--message", "second")
    old, new = commits.read_pair(repository.root, "HEAD~1", "HEAD")
    assert "| bash | 5.2 | 5.3 |  | all |" in render_changes(old, new)
    assert (old.number, new.revision) == (0, git(repository.root, "rev-parse", "HEAD"))
    assert new.products["cuda"].cuda and not new.products["cpu"].cuda


def release(repository: Checkout, number: int, **of: object) -> Record:
    revision = git(repository.root, "rev-parse", "HEAD")
    record = make_record(number, **of).model_copy(update={"revision": revision})  # type: ignore[arg-type]
    path = commits.record_path(repository.root, SEMESTER, number)
    path.parent.mkdir(exist_ok=True)
    path.write_text(write_record(record))
    return record


def test_commit_that_adds_an_architecture_is_compared_with_one_before(repository: Checkout) -> None:
    repository.describe_both()
    git(repository.root, "add", ".")
    git(repository.root, "commit", "--quiet", "--message", "both")
    repository.replace("bash=5.2", "bash=5.3", f"semesters/{SEMESTER}/debian-arm64.lock")
    old, new = commits.read_pair(repository.root, "HEAD~1", "HEAD")
    assert list(old.products) == ["appliance", "cpu", "cuda"]
    assert list(new.products) == ["appliance", "appliance-arm64", "cpu", "cpu-arm64", "cuda", "cuda-arm64"]
    assert new.products["cpu-arm64"].python["torch"].startswith("2.10.")
    assert new.products["cuda-arm64"].python["torch"] == new.products["cuda"].python["torch"]
    assert "- `cuda-arm64` is new.\n" in render_changes(old, new)
    here = commits.read_named(repository.root, SEMESTER)
    assert "| bash | 5.2 | 5.3 |  | appliance-arm64, cpu-arm64, cuda-arm64 |" in render_changes(new, here)


def test_record_names_only_products_that_are_known(repository: Checkout) -> None:
    record = json.loads(write_record(make_record()))
    record["products"]["cpu-riscv64"] = record["products"].pop("cpu")
    (repository.folder / "releases").mkdir()
    (repository.folder / "releases/1.json").write_text(json.dumps(record))
    with pytest.raises(PracticumError, match=r"1\.json: products\.cpu-riscv64\.\S*: .*; restore it: git checkout -- "):
        commits.read_named(repository.root, f"{SEMESTER}-r1")


def test_releases_are_compared_by_their_records(repository: Checkout) -> None:
    old, new = release(repository, 1, python={"a": "1"}), release(repository, 2, python={"a": "2"})
    assert commits.read_pair(repository.root, f"{SEMESTER}-r1", f"{SEMESTER}-r2") == (old, new)
    assert commits.find_previous(repository.root, SEMESTER, 2) == old
    assert commits.find_previous(repository.root, SEMESTER, 1) is None


def test_releases_are_ordered_by_number(repository: Checkout) -> None:
    for number in (10, 2, 1):
        release(repository, number)
    assert [record.number for record in commits.list_releases(repository.root, SEMESTER)] == [1, 2, 10]


def test_release_beside_a_commit_is_compared_by_its_own_commit(repository: Checkout) -> None:
    """The image's packages are not those of the lock, so only the locks say what changed."""
    record = release(repository, 1, debian={"inside": "1"})
    repository.replace("bash=5.2", "bash=5.3", f"semesters/{SEMESTER}/debian.lock")
    old, new = commits.read_pair(repository.root, record.name, SEMESTER)
    assert (old.number, old.revision) == (0, record.revision)
    assert "1 Debian package, " in render_changes(old, new) and "inside" not in render_changes(old, new)


@pytest.mark.parametrize("name", [f"{SEMESTER}-r7", "nonsense", "2030-autumn"])
def test_unknown_name_is_told_with_what_is_known(repository: Checkout, name: str) -> None:
    with pytest.raises(PracticumError, match=rf"{name}: no release, semester or commit .*one of: {SEMESTER}"):
        commits.read_named(repository.root, name)


def test_broken_record_is_named_with_its_cure(repository: Checkout) -> None:
    release(repository, 1)
    path = commits.record_path(repository.root, SEMESTER, 1)
    path.write_text(json.dumps({**json.loads(path.read_text()), "number": "one"}))
    with pytest.raises(PracticumError, match=r"1\.json: number: .*; restore it: git checkout -- "):
        commits.read_named(repository.root, f"{SEMESTER}-r1")
