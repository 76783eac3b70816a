"""The repetition of El-Awady's paper: its parts by hand, and the whole command on a hundredth of the table."""

import json
from typing import Any

import numpy as np
import pytest
import torch

import matenv
from matenv.composition import CompositionBatch
from matenv.latent.networks.elawady_vae import ElAwadyVAE, largest
from studies.papers.elawady import __main__ as command
from studies.papers.elawady import choices, classifier, samples
from studies.papers.elawady.choices import Schedule
from studies.papers.elawady.plan import Networks, Plan
from studies.papers.elawady.readings import READINGS, most_to_gain
from studies.papers.elawady.superposition import Superposition, principal_components, random_affine, untrained
from studies.papers.elawady.table import Materials, correlations, statistics
from studies.papers.elawady.training import Rows, Setting, dense, elbo_terms, train

DATA = matenv.load_dataset()
SMALL = DATA.subset(np.random.default_rng(0).choice(len(DATA), 900, replace=False), "small")


@pytest.fixture(scope="module")
def materials():
    return Materials.of(SMALL)


def test_interrupted_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    setting = Setting(width=12, epochs=3, batch=128)
    whole = train(setting, SMALL, tmp_path / "whole", progress=False)

    class Stop(Exception):
        pass

    calls = iter([None, None, Stop()])

    def stop_in_the_third(*arguments, **options):
        if isinstance(error := next(calls), Stop):
            raise error
        return elbo_terms(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr("studies.papers.elawady.training.elbo_terms", stop_in_the_third)
        with pytest.raises(Stop):
            train(setting, SMALL, tmp_path / "halves", progress=False)
    resumed = train(setting, SMALL, tmp_path / "halves", progress=False)
    again = train(setting, SMALL, tmp_path / "halves", progress=False)  # finished: read, not trained
    for key, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[key]) and torch.equal(tensor, again.state_dict()[key])
    history = json.loads((tmp_path / "whole" / f"{setting.name}.json").read_text())
    assert len(history) == 3 and history[-1]["validation_nelbo"] < history[0]["validation_nelbo"]


def test_splits_hold_out_as_many_rows_and_never_share_one():
    frozen, drawn = Rows.of(SMALL, "system"), Rows.of(SMALL, "random")
    for rows in (frozen, drawn):
        everything = np.concatenate([rows.train, rows.validation, rows.test])
        assert len(np.unique(everything)) == len(everything)
    assert [len(part) for part in vars(frozen).values()] == [len(part) for part in vars(drawn).values()]


def test_schedules_and_classifiers_are_chosen_by_validation_rows_alone(tmp_path, monkeypatch):
    rows = Rows.of(SMALL, "system")
    blind = SMALL.subset(np.sort(np.concatenate([rows.train, rows.validation])), SMALL.name)
    monkeypatch.setattr(choices, "RATES", (1e-4, 1e-2))
    made = [
        choices.choose("gaussian", 8, 2, data, tmp_path / str(len(data)), progress=False) for data in (SMALL, blind)
    ]
    assert made[0] == made[1]  # whether there are test rows or not
    trials, chosen = made[0]["trials"], made[0]["chosen"]
    assert [trial["learning_rate"] for trial in trials] == [1e-4, 1e-2, chosen["learning_rate"]]
    assert chosen == min(trials, key=lambda trial: trial["validation_nelbo"])
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    y = torch.from_numpy(SMALL.compositions.size.astype(np.int64))
    inputs = {scale: scale * torch.from_numpy(SMALL.fractions).float() for scale in (1.0, 10.0)}
    found: list[dict[str, float]] = []
    for wrong in (y, y.index_fill(0, torch.from_numpy(rows.test), 9)):
        folder = tmp_path / f"classes {len(found)}"
        folder.mkdir()
        task = classifier.Task(wrong, rows)
        found.append(classifier.best_of("size", inputs, task, 8, single=False, folder=folder)[2])
    assert found[0] == found[1]  # whatever the classes of test rows are


def test_the_weight_of_the_kl_term_rises(tmp_path):
    kl = {}
    for rise in (0.0, 1.0):
        setting = Setting(width=12, epochs=3, batch=128, kl_rise=rise)
        train(setting, SMALL, tmp_path, progress=False)
        kl[rise] = json.loads((tmp_path / f"{setting.name}.json").read_text())[0]["validation_kl"]
    assert kl[1.0] > kl[0.0]


def test_readings_are_likelihoods():
    x = torch.from_numpy(matenv.fractions(["LiFePO4", "NaCl"])).float()
    flat = torch.zeros(2, 89)
    wanted = {
        "multinomial": 25 * np.log(1 / 89) * np.ones(2),
        "bernoulli-weights": 89 * np.log(0.5) * np.ones(2),
        "bernoulli-presence": 89 * np.log(0.5) * np.ones(2),
        "gaussian": -0.5 * (x**2).sum(1).numpy(),
    }
    for name, reading in READINGS.items():
        np.testing.assert_allclose(reading.log_likelihood(flat, x).numpy(), wanted[name], rtol=1e-5)
        assert (reading.amounts(torch.randn(5, 89)) >= 0).all()
    # Two materials that share nothing: H(1/4) four times, less H(1/2) twice.
    two = torch.zeros(2, 89)
    two[0, :2] = two[1, 2:4] = 0.5
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert most_to_gain(two) == pytest.approx(4 * entropy - 2 * np.log(2), abs=1e-5)


def test_formulas_at_the_papers_threshold_are_those_of_the_network():
    network = matenv.load_latent("vae-elawady").network.float()
    assert isinstance(network, ElAwadyVAE)
    z = torch.randn(100, 10, generator=torch.Generator().manual_seed(0))
    amounts = samples.decoder_amounts(network, "multinomial", z)
    assert samples.formulas_at(amounts, 0.04).formulas() == network.decode(z).formulas()
    sizes = [samples.formulas_at(amounts, threshold).size.mean() for threshold in samples.THRESHOLDS]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > sizes[-1] + 2


def test_the_null_without_chemistry_has_the_datas_shares():
    null = samples.without_chemistry(DATA.compositions, 1500)
    found = samples.sample_measures(null, DATA.compositions)
    assert found["size_tv"] < 0.04 and found["kl"] < 0.06
    assert samples.neutral(null) < samples.neutral(DATA.compositions[::100]) - 0.1
    empty = CompositionBatch.from_counts(np.zeros((5, 89), int), allow_empty=True)
    assert samples.sample_measures(empty, DATA.compositions)["empty"] == 1.0  # a collapsed decoder names no element


def test_correlations_by_hand():
    values = np.zeros((4, 89))
    values[:, 3], values[:, 7], values[:, 9] = [0, 1, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]
    found = correlations(values)
    assert (found["pairs"], found["beyond"]) == (3, 1)
    assert found["largest"][0] == (matenv.elements.SYMBOLS[3], matenv.elements.SYMBOLS[7], pytest.approx(1.0))


def test_components_are_counted_as_the_materials_project_does(materials):
    for row in np.flatnonzero(materials.components >= 2)[:20]:
        products = materials.decomposition.products(int(row))
        assert len(products) == materials.components[row] and materials.above_hull[row] > 0
        assert SMALL.formulas[row] not in dict(products)
    for row in np.flatnonzero(materials.components == 0)[:20]:
        assert dict(materials.decomposition.products(int(row))) == pytest.approx({SMALL.formulas[row]: 1.0})
    found = statistics(materials)
    assert sum(found["components"]) == 900 and found["components"][1] == 0
    assert 0.95 < found["six_or_fewer"] <= 1 and found["elements"] <= 84


def test_affine_encoders_score_one_and_nulls_do_not(materials):
    similarity = Superposition(materials)
    assert (similarity.components[similarity._other] == similarity.components).all()
    for encode in (principal_components(SMALL.fractions), random_affine()):
        found = similarity.measure(encode)
        for kind in ("true", "held_out", "stable"):
            assert found[kind]["cosine_low"] == pytest.approx(1.0, abs=1e-6)
            assert found[kind]["centred_low"] == pytest.approx(1.0, abs=1e-6)
            assert found[kind]["residual_high"] < 1e-5
        assert found["other"]["centred"] < 0.7 and found["amounts"]["residual"] > 0.05
    found = similarity.measure(untrained(50))
    assert found["true"]["cosine"] > 0.999  # nearly linear before it has learned anything
    rows = found["by_components"].values()
    assert all(sum(row["histogram_cosine"]) == row["materials"] for row in rows)


def test_classifier_scores_by_hand():
    truth = np.array([0] * 4 + [2] * 4 + [3] * 2)
    answers = np.eye(10)[[0, 0, 0, 2, 2, 2, 3, 3, 3, 3]]
    found = classifier.scores(answers, truth)
    classes = classifier._large_classes(truth)
    assert classes == [0, 2]  # class 3 has fewer materials than the largest class, which is below FEWEST
    assert found["accuracy"] == 0.7 and found["balanced_accuracy"] == (0.75 + 0.5) / 2
    assert found["count_accuracy"] == pytest.approx(4 / 6)
    assert classifier.area_under_curve(np.array([0.9, 0.4, 0.4, 0.1]), np.array([True, True, False, False])) == 0.875


def test_a_plan_is_checked():
    with pytest.raises(ValueError, match="chosen=100 is not among"):
        Plan(widths=(50,))
    with pytest.raises(ValueError, match="tried=60 is not among"):
        Plan(tried=(60, 100))
    asked = []

    def schedule(reading, width):
        asked.append((reading, width))
        return Schedule(0.01, 0.0)

    networks = Networks(Plan(), schedule)
    names = [setting.name for setting in networks.all()]
    assert len(names) == len(set(names)) == (6 + 2) + 4 + 1 + 1
    assert set(asked) <= set(Plan().to_choose())  # 300 and 400 have the schedules of 200 and 500
    assert networks.main().epochs == Plan().long and networks.main().learning_rate == 0.01 * Plan().calm


@pytest.mark.slow
def test_the_command_makes_the_page_and_resumes(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(classifier, "EPOCHS", 2)
    arguments: dict[str, Any] = {"rows": 100, "widths": [50, 100], "seeds": 1, "progress": False}
    arguments |= {"trial": 1, "epochs": 2, "long": 3, "out": tmp_path / "run", "page": tmp_path / "docs/page.md"}
    command.main(**arguments, result=tmp_path / "results.json")
    text = (tmp_path / "docs/page.md").read_text()
    results = json.loads((tmp_path / "results.json").read_text())
    assert f"{results['main']['nelbo']:.2f}" in text and text.count("![") == 5
    for picture in ("scan", "prevalence", "sizes", "similarity", "nulls"):
        assert (tmp_path / f"docs/images/elawady-{picture}.png").stat().st_size > 10_000
    assert results["superposition"]["PCA, 10 dimensions"]["true"]["cosine"] == pytest.approx(1.0)
    # Once more: nothing is trained or measured again, and the page is the same.
    monkeypatch.setattr("studies.papers.elawady.report.measure", None)
    command.main(**arguments, result=tmp_path / "again.json")
    assert (tmp_path / "docs/page.md").read_text() == text
    with pytest.raises(ValueError, match="holds another run"):
        command.main(**arguments | {"seeds": 2})
    assert "pictures in" in capsys.readouterr().out


def test_ten_entries_stay_even_where_more_are_equal():
    x = np.zeros((2, 89))
    x[0, 3:15], x[1, 20:32], x[1, 40] = 1 / 12, 0.05, 0.4
    kept = largest(x)
    assert np.flatnonzero(kept[0]).tolist() == list(range(3, 13))
    assert np.flatnonzero(kept[1]).tolist() == [*range(20, 29), 40]
    np.testing.assert_array_equal(kept[kept > 0], x[kept > 0])
    assert not largest(np.zeros((1, 89))).any()


def test_elbo_terms_are_the_papers_loss():
    network = ElAwadyVAE(10, 20).eval()
    x = dense(SMALL, np.arange(50))
    fit, kl = elbo_terms(network, "multinomial", x, draws=1)
    mean, log_variance = network.encoder(x).chunk(2, dim=1)
    prior = torch.distributions.Normal(torch.zeros_like(mean), 1.0)
    posterior = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    wanted = torch.distributions.kl_divergence(posterior, prior).sum(1)
    np.testing.assert_allclose(kl, wanted.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert (fit < 0).all()
