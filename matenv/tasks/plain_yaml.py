"""YAML as people mean it: 1e-3 is a number, 010 and 1:30 are none, and a key that is given twice is an error."""

from __future__ import annotations

import re
from typing import Any

_NUMBERS = {
    "int": r"[-+]?(?:0|[1-9][0-9_]*|0b[01_]+|0x[0-9a-fA-F_]+)",
    "float": (
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
}
"""What is a number. YAML 1.1 would read 1e3 as text, 010 as 8 and 1:30 as 90."""

_TAG = "tag:yaml.org,2002:"


def read_yaml(text: str) -> Any:
    """Plain values from YAML; what looks like an octal or sexagesimal number stays text.

    Args:
        text: The YAML.

    Returns:
        What it holds; merge keys (``<<``) are merged.

    Raises:
        ValueError: No YAML, a key that is given twice, or anything but plain values.
        ImportError: PyYAML is not installed.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """The safe loader, with other numbers, and keys that are given once."""

        yaml_implicit_resolvers = {  # noqa: RUF012
            first: [each for each in pairs if each[0] not in {_TAG + kind for kind in _NUMBERS}]
            for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)  # before merge keys add what a key may override
            given = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            keys = [key.value if key.tag == _TAG + "merge" else self.construct_object(key) for key in given]
            if twice := [key for k, key in enumerate(keys) if key in keys[:k]]:
                raise yaml.composer.ComposerError(
                    None, None, f"the key {twice[0]!r} is given twice; join them", node.start_mark
                )
            return node

    def checked(kind: str) -> Any:
        """Makes a number of what is tagged as one (``!!int``), if it is written as such."""

        def construct(loader: Any, node: Any) -> Any:
            written = loader.construct_scalar(node)
            kinds = ("int",) if kind == "int" else ("int", "float")
            if not any(re.fullmatch(_NUMBERS[each], written) for each in kinds):
                raise yaml.constructor.ConstructorError(
                    None, None, f"!!{kind} {written} must be a number such as 12, without leading zeros and colons",
                    node.start_mark,
                )  # fmt: skip
            return getattr(yaml.SafeLoader, f"construct_yaml_{kind}")(loader, node)

        return construct

    for kind, pattern in _NUMBERS.items():
        Loader.add_constructor(_TAG + kind, checked(kind))
        Loader.add_implicit_resolver(_TAG + kind, re.compile(f"^(?:{pattern})$"), list("-+.0123456789"))
    try:
        return yaml.load(text, Loader)  # a safe loader: plain values only
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"cannot be read as YAML: {' '.join(str(error).split())}") from None
