"""The student: what it learns from, how near it comes to its teacher, and that its training resumes."""

import json

import numpy as np
import pytest
import torch

import matenv
from matenv.properties import heads
from matenv.properties import student as student_module
from matenv.properties.evaluation.agreement import agreement
from matenv.properties.evaluation.speed import core_microseconds
from matenv.properties.labels import labelled_rows
from matenv.properties.training import distil
from matenv.properties.training.export import export_student
from matenv.properties.training.transfer import TransferSource
from matenv.training.checkpoint import read_checkpoint, write_checkpoint

TINY = distil.DistilConfig(epochs=3, renewed=2, transfer=600, width=8, layers=1, batch_size=64, max_rows=300)


@pytest.fixture(scope="module")
def held_out():
    """The whole test part: experimental gaps are too rare for less."""
    data = matenv.load_dataset("mp-ground-states")
    return data.subset(data.part("test"))


@pytest.fixture(scope="module")
def student():
    return matenv.load_predictor()


@pytest.fixture(scope="module")
def teacher():
    return matenv.load_predictor("ensemble")


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    run = tmp_path_factory.mktemp("student")
    return run, distil.distil(run, TINY, progress=False)


def test_student_repeats_its_teacher_on_held_out_rows(student, teacher, held_out):
    near = agreement(student, teacher, held_out.compositions)
    limits = dict(zip(heads.NAMES, (0.028, 0.11, 0.18, 0.022, 0.026), strict=True))
    for name, limit in limits.items():
        assert 0 < near[name]["mean"] < limit, name
        assert near[name]["std"] < 1.4, name
        assert near[name]["disagreement"] > 0.5, name
    assert near["band_gap_pbe"]["metal"] < 0.06


def test_student_is_nearly_as_accurate_as_its_teacher(student, teacher, held_out):
    ours, theirs = (model.predict_batch(held_out.compositions) for model in (student, teacher))
    for name in heads.NAMES:
        truth = held_out.formation_energy if name == "formation_energy" else held_out.labels[name]
        errors = [np.nanmean(np.abs(prediction.mean[name] - truth)) for prediction in (ours, theirs)]
        assert errors[0] < 1.05 * errors[1], name


def test_student_is_cheaper_than_its_teacher(student, teacher):
    ours, theirs = core_microseconds([student, teacher])
    assert ours["1"] < 0.9 * theirs["1"] and ours["1024"] < 0.6 * theirs["1024"]


def test_card_reports_both_errors_and_both_speeds(student):
    card = json.loads((distil.Path(student_module.__file__).parent / "weights" / "default.json").read_text())
    assert card["teacher"]["name"] == "ensemble"
    for name in heads.NAMES:
        assert card["held_out"][name]["mae"] > 0 and card["teacher"]["held_out"][name]["mae"] > 0
    assert set(card["core_microseconds"]) == set(card["teacher"]["core_microseconds"]) == {"1", "1024"}


def test_a_perfect_student_would_say_what_the_ensemble_says(teacher, held_out):
    """Decoding the targets gives the summary back, so the encoding loses nothing."""
    batch = held_out.compositions[:200]
    said = teacher.uncalibrated(batch)
    n, target = len(heads.NAMES), student_module.targets(said).astype(np.float64)
    location, within, between, zero = np.split(target, (n, 2 * n, 3 * n), axis=1)
    hurdle = list(heads.HURDLE)
    location[:, hurdle] = np.log(np.expm1(location[:, hurdle]))
    logit = np.log(zero / (1 - zero).clip(1e-7))
    outputs = np.concatenate([location, 0.5 * np.log(within), 0.5 * np.log(between), logit], axis=1)
    for ours, theirs in zip(student_module.decode(outputs[None].astype(np.float32), batch.size), said, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


def test_loss_is_least_where_student_and_teacher_agree():
    torch.manual_seed(0)
    target = torch.rand(6, student_module.OUTPUTS)
    target[:, list(heads.HURDLE)] += 0.3
    outputs = torch.cat([target[:, :5], 0.5 * target[:, 5:15].log(), torch.logit(target[:, 15:])], dim=1)
    outputs[:, list(heads.HURDLE)] = torch.expm1(target[:, list(heads.HURDLE)]).log()
    labels = torch.full((6, 5), torch.nan)
    best = student_module.loss(outputs, target, labels, 1.0)
    for column in range(student_module.OUTPUTS):
        for step in (-0.05, 0.05):
            moved = outputs.clone()
            moved[:, column] += step
            assert student_module.loss(moved, target, labels, 1.0) > best, column


def test_labels_pull_and_absent_ones_do_not():
    outputs = torch.zeros(2, student_module.OUTPUTS, requires_grad=True)
    target, labels = torch.full((2, student_module.OUTPUTS), 0.5), torch.full((2, 5), torch.nan)
    labels[0, 3] = 2.5
    with_label = student_module.loss(outputs, target, labels, 1.0) - student_module.loss(outputs, target, labels, 0.0)
    with_label.backward()
    assert outputs.grad is not None
    assert outputs.grad.nonzero().tolist() == [[0, 3]]
    assert outputs.grad[0, 3] < 0  # upwards, to the label


def test_transfer_rows_are_new_and_repeatable():
    source = TransferSource()
    batch = source.draw(4000, np.random.default_rng(3))
    again = source.draw(4000, np.random.default_rng(3))
    assert (batch.counts == again.counts).all() and (batch.elements == again.elements).all()
    assert 3000 < len(batch) <= 4000 and batch.size.min() >= 1
    drawn = set(batch.formulas())
    assert len(drawn) > 3000
    known = {part: set(labelled_rows(part)[0].formulas()) for part in ("train", "validation", "test")}
    assert not drawn & (known["validation"] | known["test"])
    assert len(drawn & known["train"]) < 0.3 * len(drawn)


def test_distillation_learns(tiny_run):
    first, *_, last = read_checkpoint(tiny_run[1])["history"]
    assert last[0][0] < first[0][0]


def test_other_settings_do_not_resume(tiny_run):
    with pytest.raises(ValueError, match="another run.*epochs"):
        distil.distil(tiny_run[0], distil.DistilConfig(epochs=4, width=8, layers=1), progress=False)


@pytest.mark.slow
def test_exported_student_loads(tiny_run):
    run, path = tiny_run
    card = export_student(run, run / "tiny.safetensors", "a command")
    assert card == json.loads((run / "tiny.json").read_text())
    assert "Beside its teacher `ensemble`" in (run / "tiny.md").read_text()
    model = matenv.load_predictor(run / "tiny.safetensors")
    mean, std = model.predict(["NaCl", "Fe2O3"])["formation_energy"]
    assert mean.shape == (2,) and (std > 0).all()
    state = read_checkpoint(path)
    write_checkpoint(run / "unfinished" / "checkpoint.pt", {**state, "history": state["history"][:2]})
    with pytest.raises(ValueError, match="stopped after epoch 2"):
        export_student(run / "unfinished", run / "x.safetensors", "")
    with pytest.raises(ValueError, match="distil first"):
        export_student(run / "nothing", run / "x.safetensors", "")


@pytest.mark.parametrize(
    "change", [{"epochs": 0}, {"transfer": 0}, {"renewed": 0}, {"learning_rate": 0.0}, {"label_weight": -1.0}]
)
def test_impossible_settings_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        distil.DistilConfig(**change)


def test_command_line():
    assert distil.command_line("/somewhere/student", distil.DistilConfig(epochs=3, width=48)) == (
        "matenv predictor distil --out student --epochs 3 --width 48"
    )
