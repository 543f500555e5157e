"""What is wrong where a raster cannot be opened or read: the file or its server."""

from __future__ import annotations

from pipeline.errors import SceneUnusableError, SourceUnreachableError
from pipeline.io import remote
from pipeline.model import Asset


def explained(
    what: remote.Opening, error: Exception, status: int | SourceUnreachableError
) -> SceneUnusableError | SourceUnreachableError:
    """Tell a bad file from a bad server: GDAL reports both as "not recognized".

    ``status`` is what :func:`pipeline.io.remote.probe` said of the server; 200 where none is asked.
    """
    known = remote.meaning(what, status)
    if known is not None:
        return known
    detail = " ".join(str(error).split())
    if status in (401, 403):  # of an object store, asked without a signature
        remedy = "Check the keys of the source's access.s3, and that the object is there"
        return SceneUnusableError(f"{what.href} cannot be read ({detail})", remedy)
    return SceneUnusableError(
        f"{what.href} cannot be read as a raster ({detail})", "Fetch or export the file again"
    )


def explained_read(asset: Asset, error: Exception) -> SceneUnusableError | SourceUnreachableError:
    """Say the same of a band that was opened, and then could not be read."""
    what = remote.opening(asset.href, asset.access)
    found = explained(what, error, remote.probe(what) if what.probe else 200)
    if isinstance(found, SourceUnreachableError):
        return found
    if asset.access and asset.access.signing and "403" in str(error):
        reason = f"{what.href} was refused while it was read: its token ended"
        return SourceUnreachableError(reason, "Run again")
    return SceneUnusableError(
        f"{what.href} is damaged or truncated ({' '.join(str(error).split())})",
        "Fetch the file again",
    )
