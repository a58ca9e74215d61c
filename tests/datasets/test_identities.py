"""read_identities: paths, identities and their groups; what is refused."""

import pytest

from sklimb.datasets import read_identities


@pytest.fixture
def folder(tmp_path):
    for name in ("ann/2.png", "ann/1.png", "bob/1.jpg", "cid/deep/1.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "sex.csv").write_text(
        "who,sex,age\ncid,m,3\nann,f,4\nbob,m,5\ndan,f,6\n"
    )
    return tmp_path


def test_groups_of_images_and_of_identities(folder):
    data = read_identities(
        folder / "images", folder / "sex.csv", columns=("who", "sex")
    )
    assert data.y.tolist() == ["ann", "ann", "bob", "cid"]
    assert data.X[1].endswith("2.png") and data.X[2].endswith("1.jpg")
    assert data.group.tolist() == ["f", "f", "m", "m"]
    assert data.group_of_class == ["f", "m", "m"]


def test_without_groups(folder):
    data = read_identities(folder / "images")
    assert data.group is None and data.group_of_class is None and len(data.X) == 4


def test_what_is_refused(folder):
    table = folder / "sex.csv"
    with pytest.raises(ValueError, match=r"no column 'identity', only \['who'"):
        read_identities(folder / "images", table)
    table.write_text("who,sex\nann,f\n")
    with pytest.raises(ValueError, match=r"no group of 2 of the 3 identities: \['bob'"):
        read_identities(folder / "images", table, columns=("who", "sex"))
    with pytest.raises(FileNotFoundError):
        read_identities(folder / "absent")
