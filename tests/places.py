"""Where the repository's files are, from whichever directory a test is in."""

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
DOCS = ROOT / "docs"
DEPLOY = ROOT / "deploy"
SPECIFICATION = TESTS / "specification"
