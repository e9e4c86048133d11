import numpy as np

from otseg.metrics.sequences import read_pairs, runs


def test_runs_are_cut_by_ignored_frames_and_leave_out_background():
    values = np.array([4, 4, 4, 0, 0, -1, 4, -2])
    kept = np.array([True, False, True, True, True, True, True, True])
    found = runs(values, kept, background=(0,))
    assert found.start.tolist() == [0, 2, 6, 7]
    assert found.stop.tolist() == [1, 3, 7, 8]
    assert found.label.tolist() == [4, 4, 4, -2]
    assert found.frame.tolist() == [0, -1, 1, -1, -1, -1, 2, 3]


def test_no_runs():
    found = runs(np.array([0, 0]), np.array([True, True]), background=(0,))
    assert [len(part) for part in found] == [0, 0, 0, 2]


def test_frames_of_an_ignored_true_label_are_not_kept():
    (video,) = read_pairs([[3, 3, 3]], [[-1, 0, 7]], ignore_labels=(-1, 7))
    assert video.kept.tolist() == [False, True, False]
