"""MkDocs' hooks: the pages and files of the repository that lie outside docs/ become part of the site.

README.md is the front page. CONTRIBUTING.md, CHANGELOG.md and examples/ keep their names, and links are turned so that
they work on the site as they do in the repository.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md"}
"""Path in the repository -> path on the site, of pages beside docs/."""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what lies outside docs/."""
    from mkdocs.structure.files import File

    for origin, target in OUTSIDE.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / origin)))
    for path in sorted((ROOT / "examples").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    files.append(File.generated(config, "LICENSE", abs_src_path=str(ROOT / "LICENSE")))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page from where it lies in the repository to where it lies on the site."""
    uri = page.file.src_uri
    origin = {target: name for name, target in OUTSIDE.items()}.get(uri)
    if origin is None:
        origin = uri if uri.startswith("examples/") else f"docs/{uri}"
    return re.sub(r"(\]\()([^)\s#]+)", lambda found: found[1] + turned(found[2], origin, uri), markdown)


def turned(link: str, origin: str, uri: str) -> str:
    """A relative link of the repository's page ``origin`` as the page ``uri`` of the site has it."""
    if "://" in link or link.startswith("mailto:"):
        return link
    target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))
    if (ROOT / target).is_dir():  # folders have no page of their own; examples/README.md names each
        target = "examples/README.md" if target.startswith("examples") else target
    target = OUTSIDE.get(target, target.removeprefix("docs/"))
    return posixpath.relpath(target, posixpath.dirname(uri) or ".")
