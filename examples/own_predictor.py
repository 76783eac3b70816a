"""A predictor of one's own: shear modulus over mass from a scikit-learn model, asked for in a task.

The model is fitted on a table of one's own; here the table is worked out from the embedded one, so that nothing has to
be downloaded. Any regressor with `predict` will do, and any function of fractions (B, 89).

Run: python examples/own_predictor.py (needs scikit-learn)
"""

import gymnasium as gym
import numpy as np
from sklearn.linear_model import BayesianRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import matenv
from matenv.tasks import Task

ELEMENT_VALUES = np.nan_to_num(
    np.stack(
        [matenv.elements.values(name) for name in ("mass", "electronegativity", "radius", "group", "period")], axis=1
    )
)


def features(fractions: np.ndarray) -> np.ndarray:
    """Mean and spread of five element values (B, 10)."""
    mean = fractions @ ELEMENT_VALUES
    return np.hstack([mean, np.sqrt(np.maximum(fractions @ ELEMENT_VALUES**2 - mean**2, 0.0))])


def main() -> None:
    # A table of one's own: fractions (N, 89) and a value for each row, from the train part of the split.
    data = matenv.load_dataset("mp-ground-states")
    modulus = data.labels["log10_shear_modulus"]
    train = data.split("system").train
    rows, test = train[np.isfinite(modulus[train])], data.split("system").test
    test = test[np.isfinite(modulus[test])]
    # Stiffness over mass, which sound velocity and Debye temperature grow with: log10(G [GPa] / mean mass [u]).
    value = modulus - np.log10(data.fractions @ matenv.elements.values("mass"))

    regressor = make_pipeline(StandardScaler(), PolynomialFeatures(2), BayesianRidge())
    regressor.fit(features(data.fractions[rows]), value[rows])
    error = np.abs(regressor.predict(features(data.fractions[test])) - value[test]).mean()
    print(f"fitted on {len(rows)} rows; mean absolute error on {len(test)} of held-out systems: {error:.3f}")

    def predict(fractions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return regressor.predict(features(fractions), return_std=True)

    light_and_stiff = matenv.Property("log10_stiffness_per_mass", "log10(GPa/u)", predict, centre=0.0, scale=0.5)
    oracle = matenv.Oracle(properties=[light_and_stiff])
    task = Task("fast-sound", "Stiff for its mass, and stable.", (matenv.maximise(light_and_stiff.name, 0.0, 1.2),))

    envs = gym.make_vec("MaterialLatent-v0", num_envs=256, task=task, oracle=oracle)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    best: dict[str, float] = {}
    for _ in range(20):
        _, _, _, _, info = envs.step(envs.action_space.sample())
        best |= dict(zip(envs.unwrapped.formulas(), info["score"].tolist(), strict=True))
    names = sorted(best, key=lambda formula: -best[formula])[:5]
    found = oracle.assess(names)
    for i, formula in enumerate(names):
        mean, std = found.mean[light_and_stiff.name][i], found.std[light_and_stiff.name][i]
        print(f"{formula:16s} score {best[formula]:.3f}   {mean:.2f} +- {std:.2f} log10(GPa/u)")
    print(matenv.explain(names[0], properties=[light_and_stiff]))


if __name__ == "__main__":
    main()
