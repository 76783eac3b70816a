"""Families of networks beside the set network: their arithmetic, committees of them, and the rule for gold."""

import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import matenv
from matenv import elements as alphabet
from matenv.composition import CompositionBatch
from matenv.properties import heads, store
from matenv.properties.compiled.statistics import FastStatistics
from matenv.properties.evaluation.evaluate import probability_transform
from matenv.properties.families import FAMILIES, build
from matenv.properties.labels import labelled_rows
from matenv.properties.networks.attention import AttentionLayer
from matenv.properties.networks.element_statistics import FEATURES, StatisticsNetwork, statistics
from matenv.properties.networks.features import REFERENCE_VALUES, element_features, pack, pack_amounts
from matenv.properties.networks.references import WIDTH
from matenv.properties.sources import Committee, Networks
from matenv.properties.training import committee, train
from matenv.properties.training.export import export

TINY: dict[str, Any] = {"members": 1, "epochs": 2, "width": 32, "layers": 1, "batch_size": 64, "max_rows": 600}
SINGLE = [name for name in store.SHIPPED if name not in store.COMMITTEES]


def batch(*formulas):
    return CompositionBatch.from_fractions(matenv.fractions(list(formulas)))


@pytest.mark.parametrize("family", FAMILIES)
def test_network_does_not_see_order_or_neighbours(family):
    torch.manual_seed(1)
    network = build(family, 3, 32, 2).eval()
    some = batch("LiFePO4", "NaCl", "Fe2O3", "Fe")
    told = np.random.default_rng(0).normal(size=(4, 10, WIDTH)).astype(np.float32)
    told[..., 1] = told[:, :1, 1]  # the energy of the competing phases is one number per row
    tokens, order = pack(some, told)
    together = network(tokens).detach().numpy()[np.argsort(order)]
    for row, formula in enumerate(["LiFePO4", "NaCl", "Fe2O3", "Fe"]):
        alone, _ = pack(batch(formula), told[row : row + 1])
        np.testing.assert_allclose(network(alone).detach().numpy()[0], together[row], atol=1e-5)
    one = batch("LiFePO4")
    reversed_order = one.elements[:, [3, 2, 1, 0]], one.counts[:, [3, 2, 1, 0]], one.size
    turned = network(pack_amounts(*reversed_order, told[:1, [3, 2, 1, 0]])[0]).detach().numpy()
    np.testing.assert_allclose(turned[0], together[0], atol=1e-5)


def test_attention_is_over_atoms():
    """An element listed as two halves gets and gives in one layer of attention what the whole does."""
    torch.manual_seed(0)
    layer = AttentionLayer(64, 0.0).eval()
    whole, _ = pack(batch("Fe2O3"))
    fe, o = whole.elements.tolist()
    split, _ = pack_amounts(np.array([[fe, o, o]]), np.array([[0.4, 0.3, 0.3]]), np.array([3]))
    state = torch.randn(2, 64)
    ours, theirs = layer(state, whole), layer(state[[0, 1, 1]], split)
    torch.testing.assert_close(ours, theirs[:2])


def test_statistics_of_a_formula_by_hand():
    tokens, _ = pack(batch("Fe2O3"))
    line = statistics(tokens, element_features())[0].numpy()
    assert line.shape == (FEATURES,)
    values = element_features().numpy()[:, : len(REFERENCE_VALUES)]
    k = REFERENCE_VALUES.index("electronegativity")
    fe, o = values[alphabet.INDEX["Fe"], k], values[alphabet.INDEX["O"], k]
    mean = 0.4 * fe + 0.6 * o
    expected = [mean, 0.4 * (mean - fe) + 0.6 * (o - mean), fe, o, o - fe]
    np.testing.assert_allclose(line[k : k + 5 * len(values[0]) : len(values[0])], expected, rtol=1e-5)
    fractions = line[FEATURES - 2 - 2 * 89 : FEATURES - 2 - 89]
    np.testing.assert_allclose(fractions, matenv.fractions("Fe2O3"), atol=1e-7)
    np.testing.assert_allclose(line[-2:], [2 / 5, np.sqrt(0.4**2 + 0.6**2)], rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 33])
def test_fast_statistics_equal_the_network(rows, held_out):
    torch.manual_seed(0)
    networks = [StatisticsNetwork(12, 40, 2).eval() for _ in range(2)]
    with torch.no_grad():
        for parameter in (p for network in networks for p in network.parameters()):
            parameter.add_(0.1 * torch.randn_like(parameter))
    some = held_out.compositions[:rows]
    fast = FastStatistics(networks)(some.elements, some.counts.astype(float), some.size)
    tokens, order = pack(some)
    for ours, network in zip(fast, networks, strict=True):
        theirs = network(tokens).detach().numpy()
        assert np.abs(theirs).max() > 0.1
        np.testing.assert_allclose(ours[order], theirs, rtol=1e-5, atol=1e-5)


def test_a_committee_adds_what_its_parts_disagree_about():
    def part(location):
        class Part:
            device = torch.device("cpu")

            def __call__(self, elements, amounts, size):
                shape = (len(size), 5)
                return np.full(shape, location), np.full(shape, 0.1), np.full(shape, 0.02), np.full((len(size), 2), 0.5)

        return Part()

    some = batch("NaCl", "Fe2O3")
    arguments = some.elements, some.counts.astype(float), some.size
    location, within, between, _ = Committee([part(1.0), part(2.0)], [0.75, 0.25])(*arguments)
    np.testing.assert_allclose((location[0, 0], within[0, 0], between[0, 0]), (1.25, 0.1, 0.02 + 0.75 * 0.25))
    with pytest.raises(ValueError, match="two or more"):
        Committee([part(1.0)], [1.0])
    for shares in ([0.5], [0.5, 0.6], [1.5, -0.5]):
        with pytest.raises(ValueError, match="sum 1"):
            Committee([part(1.0), part(2.0)], shares)


def test_all_rows_are_the_parts_together():
    everything, targets = labelled_rows("all")
    parts = [labelled_rows(name) for name in ("train", "validation", "test")]
    assert len(everything) == sum(len(rows) for rows, _ in parts)
    assert np.isfinite(targets).sum() == sum(np.isfinite(labels).sum() for _, labels in parts)


@pytest.fixture(scope="module")
def tiny_twins(tmp_path_factory):
    """A recipe on train rows, and gold by the same recipe."""
    folder = tmp_path_factory.mktemp("gold")
    files = {}
    for rows in ("train", "all"):
        run = folder / rows
        train.train(run, train.TrainConfig(family="attention", rows=rows, keep="last", **TINY), progress=False)
        files[rows] = run / "predictor.safetensors"
        card = export(run, files[rows], "a command", files["train"] if rows == "all" else None)
        assert card == json.loads(files[rows].with_suffix(".json").read_text())
    return files


def test_gold_borrows_the_calibration_of_its_twin(tiny_twins):
    twin, gold = store.load(tiny_twins["train"]), store.load(tiny_twins["all"])
    assert (twin.role, gold.role) == ("proxy", "gold") and gold.family == "attention"
    assert gold.calibrations == twin.calibrations
    assert any(not torch.equal(gold.members[0][key], twin.members[0][key]) for key in gold.members[0])
    assert "never in a reward" in tiny_twins["all"].with_suffix(".md").read_text()
    run = tiny_twins["all"].parent
    for wrong in (None, tiny_twins["all"]):
        with pytest.raises(ValueError, match="calibrated_on"):
            export(run, run / "other.safetensors", "a command", wrong)


def test_gold_never_pays_a_reward(tiny_twins):
    with pytest.raises(ValueError, match="never pays a reward"):
        matenv.Oracle(predictor=matenv.load_predictor(tiny_twins["all"]))
    with pytest.raises(ValueError, match="never pays a reward"):
        matenv.Oracle(predictor="gold")
    judge = matenv.Oracle(predictor="gold", judge=True)
    assert judge.assess("NaCl").p_stable[0] > 0
    with pytest.raises(ValueError, match="judge=True"):
        gym.make("MaterialLatent-v0", oracle=judge)


def test_a_committee_that_is_gold_in_part_is_refused(tiny_twins, tmp_path):
    with pytest.raises(ValueError, match="gold"):
        committee.assemble([str(tiny_twins["train"]), str(tiny_twins["all"])], [0.5, 0.5], tmp_path / "x.json")
    with pytest.raises(ValueError, match="committees themselves"):
        committee.assemble(["default", "two-family"], [0.5, 0.5], tmp_path / "x.json")
    with pytest.raises(ValueError, match="caution=0.5"):
        committee.assemble(["default", "statistics"], [0.5, 0.5], tmp_path / "x.json", caution=0.5)


def test_a_committee_notices_that_a_part_changed(tmp_path):
    card = json.loads(store.locate("two-family").read_text())
    card["parts"]["statistics"]["sha256"] = "0" * 64
    path = tmp_path / "old.json"
    store.save_committee(path, card)
    with pytest.raises(ValueError, match="another version of its part 'statistics'"):
        matenv.load_predictor(path)
    card["calibrations"]["formation_energy"]["within"] *= 2  # possible, and not what was written
    for damaged in (card, {"format": card["format"]}):
        path.write_text(json.dumps(damaged))
        with pytest.raises(ValueError, match="is damaged"):
            matenv.load_predictor(path)
    path.write_text("{}")
    with pytest.raises(ValueError, match="not a committee's file"):
        matenv.load_predictor(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        matenv.load_predictor(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"family": "forest"}, "family='forest'"),
        ({"rows": "test"}, "rows='test'"),
        ({"rows": "all"}, "use keep='last'"),
        ({"keep": "first"}, "keep='first'"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        train.TrainConfig(**settings)


def test_width_of_attention_is_checked():
    with pytest.raises(ValueError, match="width=48 must be a multiple of 32"):
        build("attention", 12, 48, 1)


@pytest.mark.parametrize("name", ["statistics", "gold-train", "accurate"])
def test_shipped_families_are_calibrated_on_held_out_rows(name, held_out):
    prediction = matenv.load_predictor(name).predict_batch(held_out.compositions)
    error = np.abs(prediction.mean["formation_energy"] - held_out.formation_energy)
    assert error.mean() < 0.085
    position = probability_transform(prediction, "formation_energy", held_out.formation_energy)
    for level in (0.5, 0.9, 0.95):
        assert (np.abs(position - 0.5) <= 0.5 * level).mean() == pytest.approx(level, abs=0.05)


def test_two_families_are_as_accurate_as_one_and_cautious_where_they_disagree(held_out):
    one, two = (matenv.load_predictor(name).predict_batch(held_out.compositions) for name in ("default", "two-family"))
    errors = [np.abs(p.mean["formation_energy"] - held_out.formation_energy) for p in (one, two)]
    assert errors[1].mean() < 1.02 * errors[0].mean()
    position = probability_transform(two, "formation_energy", held_out.formation_energy)
    assert (np.abs(position - 0.5) <= 0.45).mean() > 0.92  # wider, on purpose, than fits table rows
    card = json.loads(store.locate("two-family").read_text())
    fitted = card["held_out_without_caution"]["formation_energy"]["coverage"]
    assert all(inside == pytest.approx(float(level), abs=0.03) for level, inside in fitted.items())
    assert np.corrcoef(two.std["formation_energy"], errors[1])[0, 1] > 0.3


def test_gold_knows_the_held_out_rows(held_out):
    errors = [
        np.abs(matenv.load_predictor(name).predict_batch(held_out.compositions).mean["formation_energy"]
               - held_out.formation_energy).mean()
        for name in ("gold", "gold-train")
    ]  # fmt: skip
    assert errors[0] < 0.8 * errors[1]  # measured: 0.76


def test_what_the_families_disagree_about_is_in_the_variance_between_models(held_out):
    k, batch = heads.NAMES.index("formation_energy"), held_out.compositions
    one, other, both = (matenv.load_predictor(name) for name in ("default", "statistics", "two-family"))
    apart = one.uncalibrated(batch)[0][:, k] - other.uncalibrated(batch)[0][:, k]
    far = np.abs(apart) > 0.2
    assert far.sum() > 20
    assert (both.uncalibrated(batch)[2][far, k] >= 0.7 * 0.3 * apart[far] ** 2).all()


@pytest.mark.parametrize("name", SINGLE)
def test_networks_by_torch_agree_with_the_compiled_ones(name, held_out):
    contents = store.load(store.locate(name))
    source, other = Networks(contents), Networks(contents)
    other._fast, other._networks = None, []
    for parameters in contents.members:
        network = build(contents.family, contents.outputs, contents.width, contents.layers)
        network.load_state_dict(parameters)
        other._networks.append(network.eval())
    some = held_out.compositions
    arguments = some.elements, some.counts.astype(float), some.size
    for ours, theirs in zip(source(*arguments), other(*arguments), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
