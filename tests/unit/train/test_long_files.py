import pytest

from otseg.train.long_files import written


@pytest.mark.parametrize(("form", "text"), [("frames", "1\n1\n0\n"), ("segments", "start,stop,action\n0,2,1\n2,3,0\n")])
def test_a_file_has_its_name_when_it_is_whole(tmp_path, form, text):
    path = tmp_path / "labels" / "x.txt"
    found = written([(0, 2, 1), (2, 3, 0)], path, form)
    assert next(found) == (0, 2, 1)
    assert not path.exists()
    assert next(found) == (2, 3, 0)
    assert not list(found)
    assert path.read_text() == text
    assert [file.name for file in path.parent.iterdir()] == ["x.txt"]


def test_a_run_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("old")

    def parts():
        yield 0, 1, 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(written(parts(), path, "segments"))
    assert path.read_text() == "old"
