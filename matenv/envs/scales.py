"""Fixed centre and scale of each predicted property, so that a saved policy needs no statistics file."""

SCALES: dict[str, tuple[float, float]] = {
    "formation_energy": (-1.5, 1.5),  # eV/atom: table mean and about 1.5 standard deviations
    "band_gap_pbe": (1.5, 1.5),  # eV
    "band_gap_expt": (1.5, 1.5),  # eV
    "log10_bulk_modulus": (1.9, 0.4),  # log10 GPa
    "log10_shear_modulus": (1.5, 0.4),  # log10 GPa
}
"""Centre and scale that bring each predicted property to order one."""
