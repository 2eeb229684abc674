"""The pictures of the documentation: paints a few scenes, sends them through a server, and photographs its pages."""

import io
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
PORT = 8765
BASE = f"http://127.0.0.1:{PORT}"
PASSWORD = "only for pictures"  # noqa: S105 – of a server that lives for a minute
SLOTS = ("slot-001", "slot-003", "slot-002", "slot-005", "slot-006", "slot-004", "slot-008")
SHAPES = ((1500, 1000), (1000, 1400), (1600, 900), (1200, 1200))


def scene(width: int, height: int, seed: int) -> bytes:
    """Hills under a low sun, as a JPEG."""
    chance = random.Random(seed)  # noqa: S311 – a painting, not a secret
    dusk = chance.random()
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)
    for y in range(height):
        share = y / height
        sky = (int(90 + 150 * share), int(130 + 60 * share * dusk), int(190 - 90 * share))
        draw.line([(0, y), (width, y)], fill=sky)
    x, y, radius = chance.uniform(0.2, 0.8) * width, chance.uniform(0.25, 0.5) * height, 0.06 * (width + height)
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=(255, 226, 170))
    image = image.filter(ImageFilter.GaussianBlur(6))
    draw = ImageDraw.Draw(image)
    for layer in range(4):
        base, tone = height * (0.55 + 0.12 * layer), 110 - 26 * layer
        ridge = [(width * step / 12, base + chance.uniform(-0.09, 0.05) * height) for step in range(13)]
        draw.polygon(
            [(0, height), *ridge, (width, height)], fill=(tone, int(tone * (1.05 + 0.3 * dusk)), int(tone * 0.9))
        )
    people(draw, chance, width, height)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=92)
    return encoded.getvalue()


def people(draw: ImageDraw.ImageDraw, chance: random.Random, width: int, height: int) -> None:
    for place in range(chance.randint(1, 4)):
        size = height * chance.uniform(0.16, 0.24)
        x = width * (0.2 + 0.18 * place + chance.uniform(0, 0.08))
        ground = height * 0.97
        coat = tuple(chance.randint(60, 230) for _ in range(3))
        body = [x - size * 0.2, ground - size * 0.75, x + size * 0.2, ground]
        head = [x - size * 0.14, ground - size * 1.05, x + size * 0.14, ground - size * 0.77]
        draw.rounded_rectangle(body, radius=size * 0.15, fill=coat)
        draw.ellipse(head, fill=(236, 200, 170))


def photochanger(data_dir: str, *arguments: str, password: str | None = None) -> None:
    subprocess.run(  # noqa: S603 – our own command
        command(*arguments), input=password, text=True, check=True, env=environment(data_dir), stdout=subprocess.DEVNULL
    )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from photochanger.cli import main; main()", *arguments]


def environment(data_dir: str) -> dict[str, str]:
    return {"PHOTOCHANGER_DATA_DIR": data_dir, "LOG_LEVEL": "warning", "PATH": "/usr/bin:/bin"}


def fill(data_dir: str) -> None:
    """One gallery that several slots share, each with its own effect."""
    with httpx.Client(base_url=BASE, timeout=60) as client:
        token = client.post("/api/login", json={"username": "admin", "password": PASSWORD}).json()["access_token"]
        signed = {"Authorization": f"Bearer {token}"}
        for slot in SLOTS:
            photochanger(data_dir, "slots", "set-password", slot, "--password-stdin", password=PASSWORD + "\n")
            shared = {"title": "Harbour party"} if slot == SLOTS[0] else {"of": SLOTS[0]}
            body = {"version": 2, "gallery": {"page_size": 100, **shared}}
            client.put(f"/api/slots/{slot}", json=body, headers=signed).raise_for_status()
        for seed in range(1, 19):
            slot = SLOTS[seed % len(SLOTS)]
            photo = scene(*SHAPES[seed % len(SHAPES)], seed)
            answer = client.post(f"/api/ingest/{slot}", data={"password": PASSWORD}, files={"fileToUpload": photo})
            answer.raise_for_status()


def photograph() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        for name, width, height in (("gallery", 1280, 860), ("gallery-phone", 390, 844)):
            for scheme in ("light", "dark"):
                page = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1
                )
                page.goto(f"{BASE}/public/slots/{SLOTS[0]}", wait_until="networkidle")
                page.screenshot(path=PICTURES / f"{name}-{scheme}.png")
                page.close()
        browser.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as data_dir:
        photochanger(data_dir, "accounts", "create", "admin", "--role", "admin", "--password-stdin", password=PASSWORD)
        server = subprocess.Popen(command("serve", "--port", str(PORT)), env=environment(data_dir))  # noqa: S603
        try:
            wait_until_ready()
            fill(data_dir)
            photograph()
        finally:
            server.terminate()
            server.wait(timeout=70)


def wait_until_ready() -> None:
    for _ in range(100):
        try:
            httpx.get(f"{BASE}/livez").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(BASE)


if __name__ == "__main__":
    main()
