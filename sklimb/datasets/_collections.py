"""Published facts about image collections: files, MD5 sums, sizes, class names."""

from sklimb.datasets._download import Remote

_CIFAR = "https://www.cs.toronto.edu/~kriz/"
_SVHN = "http://ufldl.stanford.edu/housenumbers/"
_IDX = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_MEDMNIST = "https://zenodo.org/records/10519652/files/"

# Files by name, with the publishers' MD5 sums.
REMOTES = {
    remote.file: remote
    for remote in (
        Remote(file, base + file, md5)
        for base, file, md5 in [
            (_CIFAR, "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
            (_CIFAR, "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
            (_SVHN, "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
            (_SVHN, "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
            (
                _IDX,
                "train-images-idx3-ubyte.gz",
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            ),
            (
                _IDX,
                "train-labels-idx1-ubyte.gz",
                "25c81989df183df01b3e8a0aad5dffbe",
            ),
            (_IDX, "t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
            (_IDX, "t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
            (
                "https://zenodo.org/records/7711810/files/",
                "EuroSAT_RGB.zip",
                "f46e308c4d50d4bf32fedad2d3d62f3b",
            ),
            (_MEDMNIST, "pathmnist.npz", "a8b06965200029087d5bd730944a56c1"),
            (_MEDMNIST, "dermamnist.npz", "0744692d530f8e62ec473284d019b0c7"),
            (_MEDMNIST, "octmnist.npz", "c68d92d5b585d8d81f7112f81e2d0842"),
            (_MEDMNIST, "pneumoniamnist.npz", "28209eda62fecd6e6a2d98b1501bb15f"),
            (_MEDMNIST, "retinamnist.npz", "bd4c0672f1bba3e3a89f0e4e876791e4"),
            (_MEDMNIST, "breastmnist.npz", "750601b1f35ba3300ea97c75c52ff8f6"),
            (_MEDMNIST, "bloodmnist.npz", "7053d0359d879ad8a5505303e11de1dc"),
            (_MEDMNIST, "tissuemnist.npz", "ebe78ee8b05294063de985d821c1c34b"),
            (_MEDMNIST, "organamnist.npz", "68e3f8846a6bd62f0c9bf841c0d9eacc"),
            (_MEDMNIST, "organcmnist.npz", "b9ceb9546e10131b32923c5bbeaea2b1"),
            (_MEDMNIST, "organsmnist.npz", "9ab87b696fb54e2a387ebe992d6ed5f1"),
        ]
    )
}

# Number of images in each official part.
SIZES = {
    "cifar10": {"train": 50_000, "test": 10_000},
    "cifar100": {"train": 50_000, "test": 10_000},
    "svhn": {"train": 73_257, "test": 26_032},
    "fashion_mnist": {"train": 60_000, "test": 10_000},
    "eurosat": {None: 27_000},
    "pathmnist": {"train": 89_996, "val": 10_004, "test": 7_180},
    "dermamnist": {"train": 7_007, "val": 1_003, "test": 2_005},
    "octmnist": {"train": 97_477, "val": 10_832, "test": 1_000},
    "pneumoniamnist": {"train": 4_708, "val": 524, "test": 624},
    "retinamnist": {"train": 1_080, "val": 120, "test": 400},
    "breastmnist": {"train": 546, "val": 78, "test": 156},
    "bloodmnist": {"train": 11_959, "val": 1_712, "test": 3_421},
    "tissuemnist": {"train": 165_466, "val": 23_640, "test": 47_280},
    "organamnist": {"train": 34_561, "val": 6_491, "test": 17_778},
    "organcmnist": {"train": 12_975, "val": 2_392, "test": 8_216},
    "organsmnist": {"train": 13_932, "val": 2_452, "test": 8_827},
}
MEDMNIST = tuple(name for name in SIZES if f"{name}.npz" in REMOTES)

CIFAR10_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
FASHION_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
