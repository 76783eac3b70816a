"""The shipped latent spaces: shapes, known statistics, recovery of held-out formulas, errors at the door."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import matenv
from matenv.cli import app
from matenv.composition import CompositionBatch
from matenv.latent import SHIPPED, LatentSpace
from matenv.latent.compiled.decoder import FastDecoder
from matenv.latent.compiled.encoder import FastEncoder
from matenv.latent.evaluation.evaluate import agreement, evaluate, kl_divergence, prevalence, recovery, validity
from matenv.latent.evaluation.line import straight_line
from matenv.latent.networks.counts_vae import CountsVAE
from matenv.latent.networks.pairs import Pairs

DATA = matenv.load_dataset()
TRAIN, TEST = DATA.split("system")


@pytest.fixture(scope="module", params=SHIPPED)
def space(request):
    return matenv.load_latent(request.param)


@pytest.fixture(scope="module")
def vae():
    return matenv.load_latent("vae")


@pytest.fixture(scope="module")
def elawady():
    return matenv.load_latent("vae-elawady")


def held_out(number):
    return DATA.compositions[np.random.default_rng(0).choice(TEST, number, replace=False)]


def assert_canonical(batch):
    """The invariants `CompositionBatch` states."""
    listed = np.arange(10) < batch.size[:, None]
    assert batch.elements.dtype == np.int16 and batch.counts.dtype == np.int32 and batch.size.dtype == np.int16
    assert ((batch.counts > 0) == listed).all()
    assert (batch.counts >= 0).all()
    assert ((batch.elements >= 0) == listed).all()
    assert (batch.elements[~listed] == -1).all()
    assert (np.diff(np.where(listed, batch.elements, 100 + np.arange(10)), axis=1) > 0).all()
    nonempty = batch.size > 0
    assert (np.gcd.reduce(batch.counts[nonempty], axis=1) == 1).all()


def test_protocol_shapes_and_types(space):
    assert space.name in SHIPPED and space.dim == space.network.latent >= 10
    assert isinstance(space, LatentSpace)
    batch = DATA.compositions[TEST[:50]]
    z = space.encode(batch)
    assert z.shape == (50, space.dim) and z.dtype == np.float64
    x = space.decode(z)
    assert x.shape == (50, 89) and x.dtype == np.float64
    np.testing.assert_allclose(x.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_array_equal(x, space.decode_batch(z).fractions())
    assert space.sample(7, 0).shape == (7, space.dim)
    assert space.score(batch).shape == (50,)


def test_every_form_of_composition_encodes_alike(space):
    formulas = ["LiFePO4", "Ga(MoS2)4", "NaCl"]
    z = space.encode(formulas)
    batch = CompositionBatch.from_fractions(matenv.fractions(formulas))
    for form in (matenv.fractions(formulas), batch, tuple(formulas), 3.0 * matenv.fractions(formulas)):
        np.testing.assert_array_equal(space.encode(form), z)
    for single in ("LiFePO4", matenv.fractions("LiFePO4"), "Li2Fe2P2O8"):
        np.testing.assert_allclose(space.encode(single), z[:1], atol=1e-5)
    assert space.encode(DATA.compositions[:0]).shape == (0, space.dim)
    assert len(space.decode_batch(np.zeros((0, space.dim)))) == 0


def test_whitening_over_the_training_rows(space):
    data = matenv.load_dataset(space.table)
    z = space.encode(data.compositions[data.split("system").train])
    np.testing.assert_allclose(z.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(z.std(axis=0), 1.0, atol=1e-4)
    assert np.percentile(np.linalg.norm(z, axis=1), 99) == pytest.approx(space.radius, abs=1e-3)


def test_held_out_recovery_of_the_default(vae):
    rates = recovery(vae, held_out(2000))
    assert rates["element_set"] >= 0.994  # all held-out rows: 0.9972
    assert rates["exact_formula"] >= 0.96  # all held-out rows: 0.9689


def test_well_known_formulas_round_trip(vae):
    formulas = ["LiFePO4", "Fe2O3", "SrTiO3", "NaCl", "Li7La3Zr2O12", "Ga(MoS2)4", "CaCO3", "GaAs"]
    assert vae.decode_batch(vae.encode(formulas)).formulas() == formulas


def test_elawady_recovers_what_dominates(elawady):
    """Ten dimensions and a threshold lose most formulas (as the paper's own rule does) but not the main element."""
    batch = held_out(1000)
    decoded = elawady.decode_batch(elawady.encode(batch))
    assert (decoded.fractions().argmax(axis=1) == batch.fractions().argmax(axis=1)).mean() > 0.7


def test_batch_equals_singles(space):
    batch = held_out(40)
    z = space.encode(batch)
    np.testing.assert_allclose(np.vstack([space.encode(batch[i : i + 1]) for i in range(40)]), z, atol=1e-4)
    decoded = space.decode_batch(z)
    same = [space.decode_batch(z[i]).formulas() == decoded[i : i + 1].formulas() for i in range(40)]
    assert sum(same) >= 39  # a tie may fall either way
    scores = space.score(batch)
    np.testing.assert_allclose([space.score(batch[i : i + 1])[0] for i in range(40)], scores, atol=1e-2)


@pytest.mark.parametrize("rows", [0, 1, 7, 16, 17, 64, 1024])
@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0, 1e3])
def test_fast_decoding_equals_the_network(vae, rows, scale):
    """Scale 1 lies inside the ball of radius 6.8 in 32 dimensions; 3 and 1000 lie outside."""
    z = torch.from_numpy((np.random.default_rng(rows).standard_normal((rows, vae.dim)) * scale).astype(np.float32))
    fast = FastDecoder(vae.network)
    assert_same_decoding(vae.network, fast, z)
    decoded, again = fast.decode(z.numpy()), fast.decode(z.numpy())
    for name in ("elements", "counts", "size"):
        np.testing.assert_array_equal(getattr(decoded, name), getattr(again, name))


@pytest.mark.parametrize("head_hidden", [False, True])
@pytest.mark.parametrize("blocks, widths", [(0, (7, 6, 5)), (1, (9, 11, 13)), (3, (33, 18, 9))])
def test_fast_inference_of_any_architecture(blocks, widths, head_hidden):
    """Widths that no vector unit divides, and normalisations that do something."""
    torch.manual_seed(blocks)
    decoder, inner, head = widths
    network = CountsVAE(5, 6, decoder, blocks, decoder, inner, blocks, head, head_hidden).requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.3 * torch.randn_like(parameter))
    for rows in (1, 2, 30):
        assert_same_decoding(network, FastDecoder(network), torch.randn(rows, 5))
        assert_same_posterior(network, held_out(rows))


def test_fast_encoding_equals_the_network(vae):
    for rows in (1, 3, 4, 33, 500):
        assert_same_posterior(vae.network, held_out(rows))
    beyond = CompositionBatch.from_counts(np.eye(2, 89, dtype=np.int64) + 300 * np.eye(2, 89, 1, dtype=np.int64))
    assert_same_posterior(vae.network, beyond)


def assert_same_posterior(network, batch):
    for found, tensor in zip(FastEncoder(network).posterior(batch), network.posterior(Pairs.of(batch)), strict=True):
        expected = tensor.detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1.0, np.abs(expected).max()))


def test_a_row_has_the_same_encoding_in_any_batch(vae):
    batch = held_out(40)
    z = vae.encode(batch)
    for rows in (1, 2, 3, 5, 8, 33):
        for start in range(0, 40 - rows, rows):
            np.testing.assert_array_equal(vae.encode(batch[start : start + rows]), z[start : start + rows])


def test_a_row_has_the_same_logits_in_any_batch(vae):
    """So a row of a vector environment meets the same formulas as a single environment, bit for bit."""
    raw = vae.sample(40, 0).astype(np.float32)
    decoder = FastDecoder(vae.network)
    presence, logits = decoder.logits(raw)
    entries = np.concatenate([[0], np.cumsum(decoder.decode(raw).size)])
    for rows in (1, 2, 3, 5, 7, 8, 11):
        for start in range(0, 40 - rows, rows):
            found = decoder.logits(raw[start : start + rows])
            np.testing.assert_array_equal(found[0], presence[start : start + rows])
            np.testing.assert_array_equal(found[1], logits[entries[start] : entries[start + rows]])


def assert_same_decoding(network, fast, z):
    """Logits equal up to rounding; the formulas too, except for a tie now and then.

    Logits reach 70 here, and the torch network itself is up to 5e-5 from its own value in float64.
    """
    presence, logits = fast.logits(z.numpy())
    decoded = fast.decode(z.numpy())
    assert_canonical(decoded)
    pairs = Pairs.of(decoded)  # the elements the fast decoder chose, so that count logits compare after a tie as well
    with torch.inference_mode():
        h = network.trunk(z)
        count_logits = network.count_logits(h, pairs.row, pairs.element, pairs.offset)
        for found, expected in ((presence, network.presence_logits(h)), (logits, count_logits)):
            scale = max(1.0, np.abs(expected.numpy()).max(initial=0.0))
            np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=2e-6 * scale)
        expected = network.decode(z)
    differs = (decoded.elements != expected.elements).any(axis=1) | (decoded.counts != expected.counts).any(axis=1)
    assert differs.sum() <= len(z) // 500


def test_repeated_calls_give_the_same_bits(space):
    batch = held_out(100)
    np.testing.assert_array_equal(space.encode(batch), space.encode(batch))
    np.testing.assert_array_equal(space.score(batch), space.score(batch))
    z = space.sample(100, 3)
    np.testing.assert_array_equal(space.decode(z), space.decode(z))


def test_samples_depend_on_the_seed_alone(space):
    first = space.sample(20, 5)
    np.random.seed(1)
    torch.manual_seed(1)
    np.testing.assert_array_equal(space.sample(20, 5), first)
    assert not np.array_equal(space.sample(20, 6), first)
    assert space.sample(0, 0).shape == (0, space.dim)


@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0, 1e3, 1e12, 1e300])
def test_any_finite_point_decodes_to_a_canonical_batch(space, scale):
    z = np.random.default_rng(0).standard_normal((300, space.dim)) * scale
    batch = space.decode_batch(z)
    assert_canonical(batch)
    absent = [matenv.elements.INDEX[symbol] for symbol in matenv.elements.ABSENT]
    if space.name == "vae":
        assert (batch.size >= 2).all()
        assert not np.isin(batch.elements, absent).any()


def test_samples_follow_the_data(vae):
    decoded = vae.decode_batch(vae.sample(10_000, 0))
    train = DATA.compositions[TRAIN]
    assert kl_divergence(prevalence(train), prevalence(decoded)) <= 0.02
    sizes = [np.bincount(batch.size, minlength=11) / len(batch) for batch in (decoded, train)]
    assert 0.5 * np.abs(sizes[0] - sizes[1]).sum() <= 0.02
    assert (decoded.size >= 2).mean() > 0.99
    wanted = validity(train)
    assert all(abs(share - wanted[name]) <= 0.03 for name, share in validity(decoded).items())
    known = set(DATA.formulas.tolist())
    assert np.mean([formula in known for formula in decoded[:2000].formulas()]) < 0.5  # most samples are new


def test_score_prefers_materials_to_nonsense(vae):
    batch = held_out(500)
    shuffled = np.random.default_rng(0).permuted(batch.fractions(), axis=1)
    assert np.median(vae.score(batch)) > np.median(vae.score(CompositionBatch.from_fractions(shuffled))) + 5


def test_errors_name_the_fault(space):
    with pytest.raises(ValueError, match="expected \\(B, "):
        space.decode(np.zeros((3, space.dim + 1)))
    bad = np.zeros((3, space.dim))
    bad[1, 0] = np.nan
    with pytest.raises(ValueError, match="row 1 holds NaN"):
        space.decode_batch(bad)
    with pytest.raises(ValueError, match="expected \\(B, 89\\)"):
        space.encode(np.ones((2, 88)))
    with pytest.raises(ValueError, match="sums to zero"):
        space.encode(np.zeros((1, 89)))
    with pytest.raises(ValueError, match="Po"):
        space.encode("PoO2")
    assert space.encode([]).shape == (0, space.dim)
    empty = CompositionBatch(np.full((1, 10), -1, np.int16), np.zeros((1, 10), np.int32), np.zeros(1, np.int16))
    with pytest.raises(ValueError, match="row 0 holds no element"):
        space.encode(empty)
    with pytest.raises(ValueError, match="k=-1"):
        space.sample(-1, 0)


def test_agreement_by_hand():
    truth = CompositionBatch.from_fractions(matenv.fractions(["NaCl", "Fe2O3", "GaAs", "CaCO3"]))
    found = CompositionBatch.from_fractions(matenv.fractions(["NaCl", "Fe3O4", "GaP", "CaCO3"]))
    assert agreement(found, truth) == {"element_set": 0.75, "exact_formula": 0.5}


def test_prevalence_and_divergence_by_hand():
    batch = CompositionBatch.from_fractions(matenv.fractions(["NaCl", "Na3P"]))
    shares = prevalence(batch)  # 4 Na, 1 Cl, 1 P of 6 atoms
    index = matenv.elements.INDEX
    np.testing.assert_allclose(shares[[index["Na"], index["Cl"], index["P"]]], [4 / 6, 1 / 6, 1 / 6])
    half, skewed = np.zeros(89), np.zeros(89)
    half[:2], skewed[:2] = 0.5, (0.25, 0.75)
    assert kl_divergence(half, skewed) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3), abs=1e-3)
    assert kl_divergence(half, half) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_cards_report_what_is_measured(name):
    import json
    from importlib.resources import files

    card = json.loads((files("matenv.latent") / "weights" / f"{name}.json").read_text())
    space = matenv.load_latent(name)
    measured = evaluate(space, matenv.load_dataset(space.table))
    assert card["metrics"].keys() == measured.keys()
    for key, value in measured.items():
        assert value == pytest.approx(card["metrics"][key], abs=0.005, rel=0.01), key


def test_a_straight_line_leads_from_one_formula_to_the_other(vae):
    line = straight_line(vae, "LiFePO4", "NaCl", 101)
    assert line.points.shape == (101, 32) and line.moved[0] == 0
    np.testing.assert_allclose(line.moved[-1], np.linalg.norm(np.subtract(*vae.encode(["LiFePO4", "NaCl"]))))
    stretches = line.stretches()
    assert stretches[0][0] == 0 and stretches[-1][1] == 101
    assert (stretches[0][2], stretches[-1][2]) == ("LiFePO4", "NaCl")
    assert all(a[1] == b[0] and a[2] != b[2] for a, b in pairwise(stretches))
    with pytest.raises(ValueError, match="points=1"):
        straight_line(vae, "LiFePO4", "NaCl", 1)
    with pytest.raises(ValueError, match="the same composition"):
        straight_line(vae, "LiFePO4", "Li2Fe2P2O8")


def test_interpolation_draws_and_prints(tmp_path):
    out = tmp_path / "line.png"
    result = CliRunner().invoke(app, ["latent", "interpolate", "LiFePO4", "NaCl", "--out", str(out)])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[1].split()[-1] == "LiFePO4" and lines[-2].split()[-1] == "NaCl"
    assert out.read_bytes().startswith(b"\x89PNG")
