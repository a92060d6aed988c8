"""practicum.recipes.archive: what is asked of docker, and when an archive is packed again."""

import io
import json
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from checkout import SEMESTER, Checkout

from practicum.engine import stages
from practicum.recipes import archive
from practicum.recipes.archive import COPIES, UNBUILT, Archive, save_argv
from practicum.semester import products


def test_docker_is_asked_by_its_client_which_knows_the_host() -> None:
    """DOCKER_HOST and contexts hold for the client; skopeo would ask the default socket."""
    assert save_argv("ee559:2027-spring-cpu", Path("/w/saved.tar")) == [
        *("docker", "save", "--output=/w/saved.tar", "ee559:2027-spring-cpu")
    ]


def test_layers_are_named_after_their_stages(checkout: Checkout) -> None:
    stage = products.list_archive(checkout.load(), "cpu")[-1]
    assert isinstance(stage, Archive)
    (part,) = stage.images.parts
    assert part.stage.name == "image-cpu"
    assert part.layers == ("base", "system", "python", "data", "torch-cpu", "container-cpu", "course-cpu")


def test_archive_of_both_architectures_has_the_image_of_each(checkout: Checkout) -> None:
    checkout.describe_both()
    semester = checkout.load()
    recipe = products.list_archive(semester, "cuda", semester.built_for)
    stage = recipe[-1]
    assert isinstance(stage, Archive) and stage.name == "archive-cuda"
    assert [part.stage.name for part in stage.images.parts] == ["image-cuda", "image-cuda-arm64"]
    assert stage.images.parts[1].layers[0] == "base-arm64"
    assert {part.stage.key for part in stage.images.parts} <= set(stage.inputs.values())
    assert stage.image_name == f"ee559:{SEMESTER}-cuda"
    assert stage.target.name == f"ee559-{SEMESTER}-cuda.oci.tar"
    before = [part.stage.key for part in stage.images.parts]
    assert [one.key for one in recipe if one.key in before] == before, "each comes before the archive, once"


def test_archive_lies_beside_the_appliance(checkout: Checkout) -> None:
    semester = checkout.load()
    assert products.archive_path(semester, "cuda") == checkout.root / f"dist/{SEMESTER}/ee559-{SEMESTER}-cuda.oci.tar"
    recipe = products.list_archive(semester, "cuda")
    assert [stage.name for stage in recipe[-2:]] == ["image-cuda", "archive-cuda"]


def test_replaced_or_removed_archive_is_packed_again(checkout: Checkout, tmp_path: Path) -> None:
    stage = products.list_archive(checkout.load(), "cpu")[-1]
    path = products.archive_path(checkout.load(), "cpu")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"good")
    (tmp_path / "archive.json").write_text(stages.describe_file(path))
    assert stage.still_there(tmp_path)
    path.write_bytes(b"longer")
    assert not stage.still_there(tmp_path)
    path.unlink()
    assert not stage.still_there(tmp_path)


# ---- the space that it asks for --------------------------------------------------------------------------------------

SIZE = 3_000_000


@pytest.fixture
def image() -> Iterator[str]:
    """An image of docker's with one file of SIZE bytes."""
    if not shutil.which("docker"):
        pytest.skip("no docker here")
    name, buffer = f"practicum-test:{uuid.uuid4().hex[:12]}", io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.size = SIZE
        tar.addfile(member, io.BytesIO(bytes(SIZE)))
    done = subprocess.run(["docker", "import", "-", name], input=buffer.getvalue(), capture_output=True)
    if done.returncode:
        pytest.skip(f"docker imports no image here: {done.stderr.decode().strip()}")
    yield name
    subprocess.run(["docker", "image", "rm", name], check=True, capture_output=True)


def find_archive(checkout: Checkout) -> Archive:
    checkout.describe_both()
    semester = checkout.load()
    stage = products.list_archive(semester, "cuda", semester.built_for)[-1]
    assert isinstance(stage, Archive)
    return stage


def test_images_that_are_still_to_be_built_count_with_the_most_that_they_may_have(checkout: Checkout) -> None:
    alone = products.list_archive(checkout.load(), "cpu")[-1]
    assert alone.measure_space() == int(COPIES * UNBUILT["cpu"])
    assert find_archive(checkout).measure_space() == int(COPIES * 2 * UNBUILT["cuda"]), "that of two is the sum"


def test_space_follows_the_size_of_the_images(checkout: Checkout, image: str) -> None:
    stage = find_archive(checkout)
    for part, name in zip(stage.images.parts, (image, image.replace(":", "-gone:")), strict=True):
        part.stage.folder.mkdir(parents=True)
        (part.stage.folder / archive.RECORD).write_text(json.dumps({"tags": [name]}))
    assert archive.measure_image(image) == SIZE
    assert stage.measure_space() == int(COPIES * (SIZE + UNBUILT["cuda"])), "docker lost the second one"


def test_build_asks_for_what_it_measures(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, asked = find_archive(checkout), list[int]()
    monkeypatch.setattr(stages.cache, "require_space", lambda _, needed, __: asked.append(needed))
    monkeypatch.setattr(stages, "require", lambda *_: None)
    stages.find_missing([stage])
    assert asked == [stage.measure_space()]
