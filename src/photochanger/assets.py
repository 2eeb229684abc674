"""Finds the folders that are not Python: templates, static files, migrations.

A wheel carries them inside the package, a checkout has them at its root. Nobody else may guess where they are.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def assets(name: str) -> Path:
    """The folder `templates`, `static` or `migrations`."""
    candidates = (_PACKAGE / "_assets" / name, _PACKAGE.parents[1] / name)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"{name} is neither in the package nor in the checkout: " + ", ".join(map(str, candidates)))
