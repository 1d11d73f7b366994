"""stores/images.py: every kind of image file that people have, and every kind of damage."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from stores.images import UnreadableImage, decode_image
from tests.stores.samples import encoded, gradient

PIXELS = gradient(40, 60)
PICTURE = Image.fromarray(PIXELS)
WHITE = 255


def exif_with(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header promises a size and whose data is missing: decoding it would fail differently."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("file_format", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95}, 2),
        ("JPEG", {"quality": 95, "progressive": True}, 2),
        ("MPO", {"quality": 95}, 2),
        ("WEBP", {"lossless": True}, 0),
        ("AVIF", {"quality": 95}, 3),
        ("JPEG2000", {}, 0),
        *((name, {}, 0) for name in ("PNG", "BMP", "TIFF", "PPM")),
        ("GIF", {}, 12),
    ],
)
def test_formats(file_format, options, tolerance):
    decoded = decode_image(encoded(PICTURE, file_format, **options))
    assert decoded.dtype == np.uint8
    assert decoded.flags["C_CONTIGUOUS"]
    assert decoded.shape == PIXELS.shape
    assert np.abs(decoded.astype(int) - PIXELS).mean() <= tolerance


@pytest.mark.parametrize("file_format", ["JPEG", "TIFF"])
def test_cmyk(file_format):
    options = {"quality": 95} if file_format == "JPEG" else {}
    decoded = decode_image(encoded(PICTURE.convert("CMYK"), file_format, **options))
    assert np.abs(decoded.astype(int) - PIXELS).mean() <= 2


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "JPEG2000", "PPM"])
@pytest.mark.parametrize("byte_order", ["<u2", ">u2"])
def test_16_bit_grey_is_scaled_not_clipped(file_format, byte_order):
    ramp = np.tile(np.linspace(0, 65535, 60).astype(byte_order), (40, 1))
    picture = Image.fromarray(ramp if file_format == "TIFF" else ramp.astype(np.uint16))
    decoded = decode_image(encoded(picture, file_format))
    expected = np.round(ramp.astype(float) * 255 / 65535).astype(np.uint8)
    np.testing.assert_array_equal(decoded, np.repeat(expected[..., None], 3, axis=2))


def test_16_bit_colour_is_scaled():
    rows = b"".join(b"\0" + struct.pack(">3H", 65535, 32768, 0) * 16 for _ in range(16))
    header = struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    packed = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    assert decode_image(b"\x89PNG\r\n\x1a\n" + b"".join(packed))[3, 3].tolist() == [255, 128, 0]


def test_floating_grey_between_0_and_1_is_scaled():
    ramp = np.tile(np.linspace(0, 1, 60, dtype=np.float32), (40, 1))
    decoded = decode_image(encoded(Image.fromarray(ramp), "TIFF"))
    np.testing.assert_array_equal(decoded[..., 1], np.round(ramp * 255).astype(np.uint8))


def test_grey_and_bilevel_become_three_equal_channels():
    for mode in ("L", "1"):
        decoded = decode_image(encoded(PICTURE.convert(mode)))
        np.testing.assert_array_equal(
            decoded, np.repeat(np.asarray(PICTURE.convert(mode).convert("L"))[..., None], 3, 2)
        )


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_laid_on_white(file_format):
    alpha = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
    options = {"lossless": True, "exact": True} if file_format == "WEBP" else {}
    decoded = decode_image(encoded(np.dstack([PIXELS, alpha]), file_format, **options))
    share = alpha[..., None] / 255
    assert np.abs(decoded - (PIXELS * share + WHITE * (1 - share))).max() <= 1


def test_palette_with_transparency():
    palette = PICTURE.quantize(16)
    hidden = int(np.asarray(palette)[0, 0])
    decoded = decode_image(encoded(palette, transparency=hidden))
    is_hidden = np.asarray(palette) == hidden
    assert (decoded[is_hidden] == WHITE).all()
    np.testing.assert_array_equal(decoded[~is_hidden], np.asarray(palette.convert("RGB"))[~is_hidden])


@pytest.mark.parametrize(("mode", "key"), [("L", 100), ("RGB", (0, 0, 0))])
def test_a_transparent_colour_becomes_white(mode, key):
    decoded = decode_image(encoded(PICTURE.convert(mode), transparency=key))
    flat = np.asarray(PICTURE.convert(mode)).reshape(40, 60, -1)
    assert (decoded[(flat == key).all(axis=2)] == WHITE).all()


@pytest.mark.parametrize(
    ("file_format", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {}), ("AVIF", {})]
)
def test_the_first_frame_of_an_animation(file_format, options):
    others = [Image.new("RGB", PICTURE.size, colour) for colour in ("red", "blue")]
    decoded = decode_image(encoded(PICTURE, file_format, save_all=True, append_images=others, **options))
    assert np.abs(decoded.astype(int) - PIXELS).mean() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_rotation(file_format, orientation):
    decoded = decode_image(encoded(PICTURE, file_format, exif=exif_with(orientation)))
    turned = Image.fromarray(PIXELS)
    turned.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(turned))
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).mean() < 4


def test_broken_exif_does_not_cost_the_photo():
    assert decode_image(encoded(PICTURE, "JPEG", exif=b"Exif\0\0garbage")).shape == PIXELS.shape


JPEG = encoded(PICTURE, "JPEG")


@pytest.mark.parametrize(
    ("data", "limits", "reason"),
    [
        (b"", {}, "0 bytes"),
        (b"these are words\n" * 20, {}, "not an image"),
        (b"%PDF-1.4", {}, "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", {}, "not an image"),
        (JPEG[: len(JPEG) // 2], {}, "damaged"),
        (JPEG[:40], {}, ""),
        (encoded(PICTURE)[:150], {}, "damaged"),
        (encoded(np.zeros((1, 1, 3), np.uint8)), {}, "1 x 1 pixels are thinner than min_side = 8"),
        (encoded(np.zeros((4000, 3, 3), np.uint8)), {}, "3 x 4000 pixels are thinner"),
        (png_of_size(20_000, 20_000), {}, "20000 x 20000 pixels exceed max_pixels = 100000000"),
        (png_of_size(20_000, 20_000), {"max_pixels": 400_000_000}, "damaged"),
        (encoded(PICTURE), {"max_pixels": 2399}, "raise it"),
        (encoded(Image.fromarray(np.full((9, 9), -1, np.int32)), "TIFF"), {}, "range is unknown"),
        (encoded(Image.fromarray(np.full((9, 9), 300, np.float32)), "TIFF"), {}, "range is unknown"),
    ],
)
def test_what_is_refused_and_why(data, limits, reason):
    with pytest.raises(UnreadableImage, match=reason or None) as caught:
        decode_image(data, **limits)
    assert "\n" not in caught.value.reason


def test_limits_are_inclusive():
    assert decode_image(encoded(PICTURE), max_pixels=2400, min_side=40).shape == PIXELS.shape
    assert decode_image(encoded(np.zeros((1, 1, 3), np.uint8)), min_side=1).shape == (1, 1, 3)


def test_the_limit_of_pillow_is_left_as_it_was():
    before = Image.MAX_IMAGE_PIXELS
    for data in (JPEG, b"no image", png_of_size(20_000, 20_000)):
        try:
            decode_image(data)
        except UnreadableImage:
            continue
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM"])
def test_random_damage_never_raises_anything_else(file_format):
    random = np.random.default_rng(0)
    whole = encoded(PICTURE, file_format)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole[: random.integers(1, len(whole) + 1)] if random.random() < 0.3 else whole)
        for place in random.integers(0, len(damaged), random.integers(1, 8)):
            damaged[place] = random.integers(0, 256)
        try:
            assert decode_image(bytes(damaged), max_pixels=1_000_000).shape[2] == 3
        except UnreadableImage:
            refused += 1
    assert refused


WHOLE = {
    "CMYK JPEG": encoded(PICTURE.convert("CMYK"), "JPEG"),
    "turned JPEG": encoded(PICTURE, "JPEG", exif=exif_with(6)),
    "palette PNG": encoded(PICTURE.quantize(16), transparency=3),
    "16-bit PNG": encoded(Image.fromarray(np.tile(np.arange(60, dtype=np.uint16) * 1000, (40, 1)))),
    "RGBA WEBP": encoded(PICTURE.convert("RGBA"), "WEBP"),
    "animated GIF": encoded(PICTURE, "GIF", save_all=True, append_images=[Image.new("RGB", PICTURE.size, "red")]),
    "animated PNG": encoded(PICTURE, "PNG", save_all=True, append_images=[Image.new("RGB", PICTURE.size, "red")]),
    "AVIF": encoded(PICTURE, "AVIF"),
    "JPEG 2000": encoded(PICTURE, "JPEG2000"),
    "TIFF": encoded(PICTURE, "TIFF", compression="tiff_lzw"),
}


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(WHOLE)),
    kept=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), max_size=6),
    surplus=st.binary(max_size=12),
)
def test_any_damage_is_an_image_or_a_reason(name, kept, flips, surplus):
    """Cut anywhere, with bytes flipped and appended: an image within the limits, or one line that says why not."""
    damaged = bytearray(WHOLE[name][: round(kept * len(WHOLE[name]))])
    for place, mask in flips:
        if damaged:
            damaged[round(place * (len(damaged) - 1))] ^= mask
    try:
        decoded, reason = decode_image(bytes(damaged + surplus), max_pixels=200_000), ""
    except UnreadableImage as error:
        decoded, reason = PIXELS, error.reason or "without a reason"
    assert "\n" not in reason
    assert reason != "without a reason"
    assert decoded.dtype == np.uint8
    assert decoded.ndim == 3
    assert decoded.shape[2] == 3
    assert decoded.shape[0] * decoded.shape[1] <= 200_000
    assert min(decoded.shape[:2]) >= 8
