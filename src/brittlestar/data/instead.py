"""What a file that is no image is instead: told from its first bytes, each with its remedy."""

from __future__ import annotations

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the image itself: fetch it with `git lfs pull`"),
    (b"<!doctype html", "a web page: download it again"),
    (b"<html", "a web page: download it again"),
    (b"<?xml", "text (SVG?): convert it to PNG"),
    (b"<svg", "an SVG drawing: convert it to PNG"),
    (b"%pdf", "a PDF file: convert it to PNG"),
    (b"8bps", "a Photoshop file: convert it to PNG"),
    (b"\xff\x0a", "a JPEG XL image: convert it to PNG"),
    (b"\x00\x00\x00\x0cjxl ", "a JPEG XL image: convert it to PNG"),
    (b"\x00\x00\x00\x0cjp", "a JPEG 2000 image: convert it to PNG"),
    (b"pk\x03\x04", "a zip archive: unpack it"),
    (b"\x1f\x8b", "a gzip archive: unpack it"),
)

_BRANDS = {
    b"avif": "an AVIF image: convert it to PNG",
    b"avis": "an AVIF image: convert it to PNG",
    b"heic": "a HEIC photograph: convert it to PNG or JPEG",
    b"heix": "a HEIC photograph: convert it to PNG or JPEG",
    b"mif1": "a HEIF photograph: convert it to PNG or JPEG",
    b"msf1": "a HEIF photograph: convert it to PNG or JPEG",
}


def what_it_is(content: bytes) -> str:
    """A few words on a file's content and what to do with it; empty where it cannot be told."""
    if not content:
        return "empty (0 bytes): it was not written or not downloaded to its end"
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12], "a video: take its frames out as images")
    if not any(content[:4096]):
        return "zeros only: it was not written or not downloaded to its end"
    head = content[:64].lstrip().lower()
    return next((told for beginning, told in _BEGINNINGS if head.startswith(beginning)), "")
