import torch

from rheon.tables.folds import Folds, fold_of_each


def test_every_row_is_judged_by_the_one_member_that_has_not_seen_it():
    z = torch.arange(40.0)[:, None]
    fold = fold_of_each(40, 0, 5)
    assert fold.bincount().tolist() == [8] * 5
    learn = Folds(z, None, fold, learn=True)
    judge = Folds(z, None, fold, learn=False)
    generator = torch.Generator()
    x, member = learn.batch(torch.arange(40), generator)
    assert len(x) == 160
    assert not (fold[x[:, 0].long()] == member[:, 0]).any()
    x, member = judge.batch(torch.arange(40), generator)
    assert x[:, 0].sort().values.tolist() == z[:, 0].tolist()
    assert (fold[x[:, 0].long()] == member[:, 0]).all()
    assert (member[:, 0].diff() >= 0).all()


def test_noise_is_added_to_copies_of_what_is_learned_from():
    z, fold = torch.zeros(4000, 2), fold_of_each(4000, 0, 5)
    learn = Folds(z, None, fold, learn=True, noise=0.3)
    x, _ = learn.batch(torch.arange(4000), torch.Generator().manual_seed(0))
    assert 0.29 < float(x.std()) < 0.31
    assert not z.any()
