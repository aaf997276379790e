"""Colours that can be read: from one colour to a pair for light and dark paper, by contrast (WCAG 2.2)."""

from __future__ import annotations

import math
from functools import lru_cache

# The papers of moot.css on which coloured words stand: the one nearest to the words decides.
LIGHT_PAPERS = ("#faf7f0", "#ffffff", "#f1ede4")
DARK_PAPERS = ("#15171a", "#1c1f23", "#101214")
ENOUGH = 4.6  # a little over the 4.5 that AA asks for, since the result is rounded to whole steps of 256
TONES = (
    "#1f5fa8",
    "#6a3fa0",
    "#a85708",
    "#0e6b80",
    "#a8325a",
    "#1b6b3a",
    "#7a5c12",
    "#3f4fa3",
    "#8a3b2a",
    "#2f6f6a",
    "#84408a",
    "#4d6420",
)

Rgb = tuple[float, float, float]


def _rgb(colour: str) -> Rgb:
    """The three linear-light parts of '#rrggbb', each from 0 to 1."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return red, green, blue


def luminance(colour: str) -> float:
    red, green, blue = _rgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _to_oklch(colour: str) -> Rgb:
    red, green, blue = _rgb(colour)
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return lightness, math.hypot(a, b), math.atan2(b, a)


def _from_oklch(lightness: float, chroma: float, hue: float) -> str:
    """The nearest colour that a screen shows: chroma gives way, lightness and hue stay."""
    while True:
        a, b = chroma * math.cos(hue), chroma * math.sin(hue)
        long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        parts = (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        )
        if all(-0.0005 <= p <= 1.0005 for p in parts) or chroma < 0.001:
            break
        chroma -= 0.005
    shown = []
    for part in parts:
        part = min(1.0, max(0.0, part))
        part = 12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055
        shown.append(round(part * 255))
    return "#{:02x}{:02x}{:02x}".format(*shown)


def _readable(colour: str, papers: tuple[str, ...], step: float) -> str:
    lightness, chroma, hue = _to_oklch(colour)
    while min(contrast(colour, paper) for paper in papers) < ENOUGH and 0 < lightness < 1:
        lightness += step
        colour = _from_oklch(min(1.0, max(0.0, lightness)), chroma, hue)
    return colour


@lru_cache(maxsize=256)
def pair(colour: str) -> tuple[str, str]:
    """(on light paper, on dark paper) of a colour '#rrggbb': the same hue, as dark or as light as words need it.

    On dark paper the colour starts from a lightness that looks as calm there as the original does on white.
    """
    lightness, chroma, hue = _to_oklch(colour)
    dark = _from_oklch(max(lightness, 0.77), min(chroma, 0.105), hue)
    return _readable(colour, LIGHT_PAPERS, -0.01), _readable(dark, DARK_PAPERS, 0.01)
