"""How the tests of runtimes take their command lines from the pages."""

from pathlib import Path

import pytest

from smoke_tests.cluster.documented import fill_in, find_command

PAGE = """
```sh
salloc --nodes=2        # two nodes
srun --pty \\
    bash -c "echo IMAGE#1"
# a remark
```
```yaml
run: srun
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_a_command_is_whole_and_has_no_remark(page: Path) -> None:
    assert find_command(page, "salloc") == "salloc --nodes=2"
    assert find_command(page, "srun", "bash") == 'srun --pty bash -c "echo IMAGE#1"'


def test_what_a_page_no_longer_has_is_told(page: Path) -> None:
    with pytest.raises(AssertionError, match=r"page.md has 0 commands with sbatch"):
        find_command(page, "sbatch")
    with pytest.raises(AssertionError, match="IMAGE is not in: salloc"):
        fill_in(find_command(page, "salloc"), {"IMAGE": "ee559"})
