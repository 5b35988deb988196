"""The picture of ``top`` that ``make pictures`` takes; ``make pictures`` itself also takes one of the page."""

from pathlib import Path

from docs import pictures

from temp_file_manager.testing import FakeClock


def test_top_shows_an_hour_with_a_file_that_is_kept(tmp_path: Path, clock: FakeClock) -> None:
    base = str(tmp_path / "base")
    pictures.made_up(base, clock)
    shown = pictures.top(base, clock)
    assert shown.startswith("<svg")
    for words in ("HEALTHY", "Due&#160;within", "1&#160;kept,&#160;in&#160;use", "-film.mp4"):
        assert words in shown
    assert "http" not in shown.replace("http://www.w3.org/", "").replace("https://www.textualize.io", "")
