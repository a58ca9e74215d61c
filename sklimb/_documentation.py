"""The pages that notebooks link to when they show an estimator."""

import os
import sys
from pathlib import Path

# Where `make docs` puts the pages, seen from a checkout's top folder.
BUILT = "docs/_build/html"


def address():
    """Where the documentation is: SKLIMB_DOCS, or the pages that a checkout has built.

    Without both it is the path that they would have in a checkout.
    """
    built = Path(__file__).parents[1] / BUILT
    default = built.as_uri() if (built / "index.html").is_file() else BUILT
    return os.environ.get("SKLIMB_DOCS", default).rstrip("/")


def page_of(cls):
    """Full public name of a class, by which its page is called."""
    module = cls.__module__.partition("._")[0]
    if cls.__name__ in sys.modules["sklimb"].__all__:
        module = "sklimb"
    return f"{module}.{cls.__name__}"


class Documented:
    """An estimator that notebooks show with the documentation of its parameters."""

    _doc_link_module = "sklimb"

    @property
    def _doc_link_template(self):
        return f"{address()}/api/{{page}}.html"

    def _doc_link_url_param_generator(self):
        return {"page": page_of(type(self))}
