"""What is particular about the image of CS-101; `make smoke COURSE=examples/cs-101` runs this."""

from smoke_tests.container.docker import Container


def test_packages_and_settings(server: Container) -> None:
    assert server.exec("tree --version").stdout.startswith("tree v2")
    assert server.exec("python -c 'import barchart; print(barchart.draw({\"a\": 1}, 3))'").stdout == "a ### 1\n"
    assert server.exec("git config --system init.defaultBranch").stdout == "main\n"
    assert "values in order" in server.exec("cat /usr/local/share/cs101/words.txt").stdout
    assert server.exec("printenv CS101_LEVEL").stdout == "first year\n"
