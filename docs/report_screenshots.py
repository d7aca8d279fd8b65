"""The report's first screen as README.md shows it, at desktop and phone width: python -m docs.report_screenshots.

Draws with Chromium, data/reports/report.html as it is; run it after `dvc repro`.
"""

from pathlib import Path
from typing import Annotated

import typer

from tests.helpers.servers import chromium

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}  # CSS pixels
FOLDER = Path(__file__).parent


def main(
    report: Annotated[Path, typer.Argument(exists=True)] = Path("data/reports/report.html"),
    folder: Annotated[Path, typer.Option(help="Where the pictures go.")] = FOLDER,
    dark: Annotated[bool, typer.Option(help="The page in the dark.")] = False,
    whole: Annotated[bool, typer.Option(help="The whole page instead of its first screen.")] = False,
) -> None:
    """Write report-desktop.png and report-phone.png."""
    with chromium() as browser:
        for name, (width, height) in SIZES.items():
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
            )
            page.goto(report.resolve().as_uri())
            file = folder / f"report-{name}.png"
            page.screenshot(path=file, full_page=whole)
            print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    typer.run(main)
