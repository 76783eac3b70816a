"""A packed batch that breaks its promises is refused at every door, by row and reason."""

import numpy as np
import pytest

import matenv
from matenv.composition import CompositionBatch, integer_counts

SOUND = CompositionBatch.from_counts(integer_counts(["NaCl", "Fe2O3"]))


def spoiled(field: str, where: object, value: object) -> CompositionBatch:
    """`SOUND` with one entry changed."""
    arrays = {name: getattr(SOUND, name).copy() for name in ("elements", "counts", "size")}
    arrays[field][where] = value
    return CompositionBatch(**arrays)


@pytest.mark.parametrize(
    ("batch", "why"),
    [
        (spoiled("counts", (1, 0), 2**31 - 1), "row 1 has 2,147,483,65. atoms per formula unit; expected at most 1"),
        (spoiled("counts", (1, 1), -1), "row 1 has a count of -1"),
        (spoiled("counts", (0, 0), 0), "row 0 has a count of 0"),
        (spoiled("counts", (0, slice(0, 2)), 2), r"row 0 has counts \[2, 2\], which share the divisor 2"),
        (spoiled("elements", (1, 1), 89), "row 1 names the element 89; expected 0 to 88"),
        (spoiled("elements", (1, 0), -1), "row 1 names the element -1"),
        (spoiled("elements", (1, 1), SOUND.elements[1, 0]), "row 1 has elements .*expected each once, ascending"),
        (spoiled("elements", (1, slice(0, 2)), SOUND.elements[1, 1::-1]), "expected each once, ascending"),
        (spoiled("size", 0, 11), "row 0 has size 11; expected 0 to 10"),
        (spoiled("size", 0, -1), "row 0 has size -1"),
        (spoiled("size", 0, 0), "row 0 holds more than its 0 elements"),
        (CompositionBatch(SOUND.elements.tolist(), SOUND.counts, SOUND.size), "elements is of type list"),
        (CompositionBatch(SOUND.elements, SOUND.counts.astype(np.int64), SOUND.size), "counts is of type int64"),
        (CompositionBatch(SOUND.elements, SOUND.counts[:1], SOUND.size), "beside size"),
        (CompositionBatch(SOUND.elements, SOUND.counts, SOUND.size[:, None]), "beside size"),
    ],
)  # fmt: skip
def test_what_is_no_packed_batch_is_refused_by_row(batch, why):
    oracle = matenv.Oracle()
    doors = (oracle.assess, oracle.recall, oracle.hull.energy, oracle.hull.decompose, oracle.predictor.predict_batch)
    for door in (*doors, matenv.is_charge_neutral, CompositionBatch.formulas, CompositionBatch.keys):
        with pytest.raises(ValueError, match=why):
            door(batch)
    assert oracle.calls == 0


def test_a_latent_space_takes_sound_batches_only():
    with pytest.raises(ValueError, match="X: row 1 has a count of -1"):
        matenv.load_latent("vae").encode(spoiled("counts", (1, 1), -1))


def test_every_batch_of_the_package_is_sound(data):
    assert data.compositions.problem == "" and data.compositions.systems().problem == ""
    assert CompositionBatch.from_counts(np.zeros((0, 89))).problem == ""
    assert matenv.Oracle().hull.references.problem == ""
    assert matenv.load_latent("vae").decode_batch(matenv.load_latent("vae").sample(500, 0)).problem == ""
    assert "problem" in vars(data.compositions[:5])  # parts of a sound batch are not looked through again
