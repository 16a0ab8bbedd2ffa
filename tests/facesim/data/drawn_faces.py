"""Drawn photographs of drawn people, and what is done to a photograph before it is used again."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

Change = Callable[[Image.Image], Image.Image]

_WIDTH, _HEIGHT = 178, 218


def drawn_face(person: int, photograph: int) -> Image.Image:
    """A person before a background, aligned by the eyes; photographs differ as real ones do."""
    who = _Dice(1, person)
    now = _Dice(2, person, photograph)
    image = _texture(now, 7, 40)
    pen = ImageDraw.Draw(image)
    skin, hair = who.colour(110, 220), who.colour(10, 120)
    wide, chin = who.number(50, 64), who.number(172, 190)
    turn = now.number(-7, 8)
    pen.ellipse((80 - wide, 38, 98 + wide, 175 + now.number(-9, 10)), fill=hair)
    pen.ellipse((89 - wide + turn, 55, 89 + wide + turn, chin), fill=skin)
    for x in (69, 109):
        size, gaze, brow = who.number(5, 9), x + now.number(-4, 5), 97 - now.number(0, 7)
        pen.ellipse((x - 11, 111 - size, x + 11, 111 + size), fill=(245, 245, 245))
        pen.ellipse((gaze - 5, 106, gaze + 5, 116), fill=(30, 40, 60))
        pen.line((x - 14, brow, x + 14, brow + who.number(-4, 5)), fill=hair, width=4)
    nose, smile, open_by = 130 + who.number(-3, 8), now.number(6, 20), now.number(1, 9)
    pen.line((89 + turn, 115, 84 + turn, nose, 93 + turn, nose), fill=(90, 60, 50), width=2)
    pen.ellipse((89 - smile + turn, 152, 89 + smile + turn, 152 + 2 * open_by), fill=(150, 40, 40))
    pen.polygon([(20, 218), (60, 190), (118, 190), (158, 218)], fill=now.colour(0, 256))
    blended = Image.blend(image, _texture(now, 20, 60), 0.25)
    return ImageEnhance.Brightness(blended).enhance(now.number(70, 120) / 100)


class _Dice:
    """Random numbers of a person or of a photograph."""

    def __init__(self, *seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def number(self, low: int, high: int) -> int:
        return int(self.generator.integers(low, high))

    def colour(self, low: int, high: int) -> tuple[int, int, int]:
        return self.number(low, high), self.number(low, high), self.number(low, high)


def _texture(dice: _Dice, coarse: int, fine: int) -> Image.Image:
    first, second = (
        Image.fromarray(dice.generator.integers(0, 256, (side, side, 3)).astype(np.uint8)).resize(
            (_WIDTH, _HEIGHT), Image.Resampling.BICUBIC
        )
        for side in (coarse, fine)
    )
    return Image.blend(first, second, 0.3)


def _jpeg(quality: int) -> Change:
    def encode(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return encode


def _crop(share: float) -> Change:
    def crop(image: Image.Image) -> Image.Image:
        x, y = round(share * image.width), round(share * image.height)
        return image.crop((x, y, image.width - x, image.height - y))

    return crop


def _shift(x: int, y: int) -> Change:
    return lambda image: image.transform(
        image.size, Image.Transform.AFFINE, (1, 0, x, 0, 1, y), fillcolor=(0, 0, 0)
    )


def _rotate(degrees: float) -> Change:
    return lambda image: image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(0, 0, 0))


def _gamma(exponent: float) -> Change:
    return lambda image: image.point([round(255 * (v / 255) ** exponent) for v in range(256)] * 3)


def _scale(factor: float) -> Change:
    return lambda image: image.resize((round(image.width * factor), round(image.height * factor)))


def _logo(image: Image.Image) -> Image.Image:
    copy = image.copy()
    pen = ImageDraw.Draw(copy)
    pen.rectangle((130, 175, 174, 214), fill=(220, 20, 20))
    pen.ellipse((138, 182, 166, 208), fill=(255, 255, 255))
    return copy


def _mask(image: Image.Image) -> Image.Image:
    copy = image.copy()
    ImageDraw.Draw(copy).rectangle((0, 153, image.width, image.height), fill=(60, 90, 160))
    return copy


def _noise(image: Image.Image) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, 15, (image.height, image.width, 3))
    return Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))


def _both(first: Change, second: Change) -> Change:
    return lambda image: second(first(image))


CHANGES: dict[str, Change] = {
    "mirrored": ImageOps.mirror,
    "2% cropped": _crop(0.02),
    "5% cropped": _crop(0.05),
    "shifted": _shift(6, -6),
    "rotated": _rotate(3),
    "rotated back": _rotate(-3),
    "black border": lambda image: ImageOps.expand(image, 10, (0, 0, 0)),
    "white border": lambda image: ImageOps.expand(image, 10, (255, 255, 255)),
    "logo": _logo,
    "gamma 0.6": _gamma(0.6),
    "gamma 1.8": _gamma(1.8),
    "gamma 3": _gamma(3.0),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.5),
    "quality 20": _jpeg(20),
    "half as large": _scale(0.5),
    "twice as large": _scale(2.0),
    "square": lambda image: image.resize((178, 178)),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1.5)),
    "noisy": _noise,
    "lower third masked": _mask,
    "mirrored and cropped": _both(ImageOps.mirror, _crop(0.05)),
    "rotated, quality 30": _both(_rotate(3), _jpeg(30)),
}
"""What leaves a photograph the same one, by name."""
