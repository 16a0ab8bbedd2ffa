"""Fetching CelebA, by torchvision's own downloader."""

from pathlib import Path

from facesim.data.celeba import how_to_get
from facesim.errors import FacesimError


def download_celeba(root: Path) -> None:
    """Fetch CelebA's official files and images into ``root``, about 1.5 GB; what is there stays.

    Raises:
        FacesimError: the files cannot be fetched or are damaged.
    """
    import torchvision

    class CelebAInRoot(torchvision.datasets.CelebA):  # type: ignore[misc]
        base_folder = ""  # else everything would lie in a further folder `celeba`

    try:
        CelebAInRoot(str(root), download=True)
    except Exception as error:
        # It raises what gdown, requests, zipfile and the operating system raise.
        raise FacesimError(
            f"{root}: CelebA could not be downloaded: {type(error).__name__}: {error}. The "
            'download needs `pip install "facesim[celeba]"`, and Google Drive refuses for a day '
            f"when many ask for it. By hand: {how_to_get(root)}"
        ) from error
