import numpy as np
import pytest

from services.parse.html import main_text
from services.parse.html.gold import in_common, label

PAGE = (
    "<html><body><nav><a href=/>Home</a> <a href=/b>Boats</a></nav><article><h1>The light</h1>"
    "<p>The keeper wrote down the weather each evening.</p></article><footer>Imprint</footer></body></html>"
)


def test_tokens_in_common_are_those_in_the_same_order():
    """Prevents a menu from being taken for wanted text because its words stand in it somewhere."""
    assert in_common("abcde", "bxda").tolist() == [False, True, False, True, False]
    assert not in_common("ab", "").any()
    assert in_common(["a"] * 3, ["a"] * 2).sum() == 2


def test_blocks_are_labelled_by_their_wanted_tokens():
    """Prevents the networks from being fitted to other blocks than those that they judge."""
    found = label(PAGE, "The light\n\nThe keeper wrote down the weather each evening.")
    assert found["tokens"].tolist() == [2, 2, 8, 1]
    assert found["matched"].tolist() == [0, 2, 8, 0]
    assert found["features"].shape == (4, len(main_text._nets()["scale"]))
    assert np.isfinite(found["features"]).all()
    assert label("", "x") is None


def test_networks_are_read_as_they_were_fitted():
    """Prevents a layer that is multiplied the wrong way round, which would still give some main text."""
    pytest.importorskip("torch")
    import torch

    from trainer.pages import Blocks, FitConfig

    torch.manual_seed(3)
    scale = main_text._nets()["scale"]
    nets = [Blocks(len(scale), FitConfig()).eval() for _ in range(2)]
    weights = {
        f"{i}{name}": array.astype(np.float32) for i in (0, 1) for name, array in nets[i].arrays().items()
    }
    features = np.random.default_rng(1).random((40, len(scale)), np.float32)
    words = np.arange(40, dtype=np.float32)
    with torch.no_grad():
        wanted = [net(torch.from_numpy(features), torch.from_numpy(words)).numpy() for net in nets]
    found = main_text._logits(features, words, main_text._together(weights | {"scale": scale}))
    assert np.abs(found - np.stack(wanted)).max() < 0.02
    assert np.abs(wanted[0] - wanted[1]).max() > 0.1


def test_weights_of_other_features_are_refused():
    """Prevents a change of features without the networks from giving any text at all."""
    with pytest.raises(ValueError, match="fit it anew"):
        main_text.likelihoods(np.zeros((2, 3), np.float32), np.ones(2, np.float32))
