"""The bands of the made-up squares, and what their files are called; no import but this."""

FINE = ("blue", "green", "red", "nir")
COARSE = ("swir16", "swir22")
KEYS = {
    "blue": "B02", "green": "B03", "red": "B04", "nir": "B08",
    "swir16": "B11", "swir22": "B12", "scl": "SCL",
}  # fmt: skip
