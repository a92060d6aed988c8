"""practicum.recipes.archive: what is asked of docker, and when an archive is packed again."""

from pathlib import Path

from checkout import SEMESTER, Checkout

from practicum.engine import stages
from practicum.recipes.archive import Archive, save_argv
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
