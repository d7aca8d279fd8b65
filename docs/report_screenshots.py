"""The report's first screen as README.md shows it, at desktop and phone width: python -m docs.report_screenshots.

Draws with Chromium, data/reports/report.html as it is; run it after `dvc repro`.
"""

import shutil
from pathlib import Path
from typing import Annotated

import typer
from playwright.sync_api import sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}  # CSS pixels
FOLDER = Path(__file__).parent


def browser_path() -> str | None:
    """Where the machine's Chromium is; None where it has none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def main(
    report: Annotated[Path, typer.Argument(exists=True)] = Path("data/reports/report.html"),
    folder: Annotated[Path, typer.Option(help="Where the pictures go.")] = FOLDER,
    dark: Annotated[bool, typer.Option(help="The page in the dark.")] = False,
    whole: Annotated[bool, typer.Option(help="The whole page instead of its first screen.")] = False,
) -> None:
    """Write report-desktop.png and report-phone.png."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=SWITCHES)
        for name, (width, height) in SIZES.items():
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
            )
            page.goto(report.resolve().as_uri())
            file = folder / f"report-{name}.png"
            page.screenshot(path=file, full_page=whole)
            print(f"{file}: {file.stat().st_size / 1000:.0f} kB")
        browser.close()


if __name__ == "__main__":
    typer.run(main)
