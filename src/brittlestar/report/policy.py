"""What a page of ours may do: show its own style, run its own script, show pictures that it holds, and nothing else.

Whatever a name in the data might smuggle into a page, a browser runs only what has one of these digests.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence


def policy(styles: Sequence[str], scripts: Sequence[str] = ()) -> str:
    """The Content-Security-Policy of a page with these style sheets and scripts between its tags, and no other.

    Texts are those of our own files, never cut out of a finished page: there a foreign script would be allowed too.
    """
    return (
        f"default-src 'none'; style-src {_sources(styles)}; script-src {_sources(scripts)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _sources(texts: Sequence[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
