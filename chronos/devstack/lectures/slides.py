"""Draws the slides of a lecture: a heading, and key words that appear one after the other."""

from __future__ import annotations

import colorsys
import hashlib
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from chronos.devstack.lectures.script import Slide

WIDTH, HEIGHT = 640, 360
MARGIN = 56

INK, FAINT = (244, 244, 248), (150, 154, 172)
TOP, BOTTOM = (26, 29, 44), (12, 13, 21)

Colour = tuple[int, int, int]


def accent(creator_id: str) -> Colour:
    """A creator's colour: the same in all of their lectures."""
    hue = hashlib.sha256(creator_id.encode()).digest()[0] / 256
    red, green, blue = colorsys.hls_to_rgb(hue, 0.62, 0.75)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw(slide: Slide, shown: int, colour: Colour, footer: str) -> Image.Image:
    """A slide with its first `shown` points visible."""
    image = _background().copy()
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((MARGIN, 54, MARGIN + 44, 60), radius=3, fill=colour)
    pen.text((MARGIN - 2, 72), slide.heading, font=_font(42), fill=INK)
    for index, point in enumerate(slide.points[:shown]):
        y = 158 + index * 46
        pen.ellipse((MARGIN, y + 10, MARGIN + 9, y + 19), fill=colour)
        pen.text((MARGIN + 26, y), point, font=_font(24), fill=INK)
    pen.text((MARGIN, HEIGHT - 44), footer, font=_font(14), fill=FAINT)
    return image


def with_progress(image: Image.Image, done: float, colour: Colour) -> Image.Image:
    """The same picture with a line along its lower edge that is as long as the part already seen (0 to 1)."""
    image = image.copy()
    ImageDraw.Draw(image).rectangle((0, HEIGHT - 4, round(done * WIDTH), HEIGHT), fill=colour)
    return image


@cache
def _background() -> Image.Image:
    mask = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    return Image.composite(Image.new("RGB", (WIDTH, HEIGHT), BOTTOM), Image.new("RGB", (WIDTH, HEIGHT), TOP), mask)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
