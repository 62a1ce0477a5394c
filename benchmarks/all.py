"""Run all benchmarks, one after another, and write their figures to `benchmarks/results.json`.

    python benchmarks/all.py --data FOLDER
    python benchmarks/all.py --data FOLDER --only detect_tables impute
    python benchmarks/all.py --list
    python benchmarks/all.py --quick

Each job runs one script in a new process and writes a log. After a failure the other jobs still run; the failures are listed at
the end, and the exit status is 1. A job without its data or its packages is skipped. The jobs are sorted by the number of
figures per minute, so that an interrupted run has measured as much as possible.

The data folder contains `adbench/` and `oddbench/` with .npz files, `mixed/` with .arff files, `labeled/` with .csv files,
`mnist.npz`, `cifar10.npz`, `usps.npz`, `faces.npz`, `gtsrb.npz`, `fashion-mnist/` with the four IDX files, and the folders of
PNG images `train400/`, `set12/` and `kodak/`. Fashion-MNIST is also in `/usr/share/datasets/fashion-mnist`.

`--quick` runs every script on small generated data. The figures go to a temporary file, not to `benchmarks/results.json`.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
SYSTEM_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class Job:
    """One run of a script.

    Attributes
    ----------
    name : str
        Name for ``--only``.
    command : str
        Script and arguments. ``{adbench}`` and other names in braces are replaced by paths.
    quick : str
        Arguments that ``--quick`` adds.
    minutes : int
        Estimated time on two cores.
    packages : tuple of str, default=()
        Modules that the job requires besides the dependencies of skae.
    all_cores : bool, default=False
        Whether to use all cores; otherwise the job has one thread. Not for jobs that start
        processes: OpenMP would bind all of them to the same core.
    gpu : bool, default=False
        Whether the job requires a CUDA GPU, except with ``--quick``.
    """

    name: str
    command: str
    quick: str
    minutes: int
    packages: tuple = ()
    all_cores: bool = False
    gpu: bool = False


JOBS = [
    Job(
        "against_pca",
        "against_pca.py --only bundled tables digits --tables {adbench} --quarter",
        "--only tables --seeds 1",
        6,
    ),
    Job(
        "more_epochs",
        "more_epochs.py --tables {adbench} --only tables digits",
        "--only tables --seeds 1 --max-iter 200",
        10,
    ),
    Job("mixed_tables", "mixed_tables.py --tables {mixed}", "--seeds 1", 30),
    Job(
        "impute",
        "impute.py --tables {adbench} --rows 200 --columns 40",
        "--rows 60 --columns 12",
        12,
    ),
    Job(
        "impute_values",
        "impute.py --tables {adbench} --rows 300 --rates 0.1 0.4 --mechanisms random values",
        "--rows 60 --columns 12 --rates 0.4",
        40,
    ),
    Job(
        "impute_wide",
        "impute.py --wide --data {mnist} {fashion-mnist} --rows 400",
        "--rows 40 --columns 200",
        40,
    ),
    Job("impute_classify", "impute.py --classify --rows 600", "--rows 80 --columns 12", 15),
    Job(
        "detect_tables",
        "detect.py --tables {adbench}",
        "--seeds 1 --max-rows 200 --methods skae neighbors",
        12,
    ),
    Job(
        "detect_many",
        "detect_many.py --tables {oddbench}",
        "--methods skae neighbors",
        60,
    ),
    Job("imports", "imports.py", "--repeats 1", 3),
    Job(
        "checkpoints",
        "checkpoints.py --idx {fashion-mnist}",
        "--max-iter 1 --repeats 1 --n-samples 1000",
        8,
    ),
    Job(
        "distributed",
        "distributed.py --gray {fashion-mnist} --color {cifar10}",
        "--rows 600 --images 200 --max-iter 2 --repeats 1 --batch-sizes 64",
        12,
    ),
    Job(
        "small_fits",
        "small_fits.py --images {mnist}",
        "--only breast-cancer images-dense --max-iter 1 --threads 1 --repeats 1",
        8,
    ),
    Job("parallel", "parallel.py", "--repeats 1 --folds 2 --max-iter 1 --k 2", 5),
    Job("profile_steps", "profile_steps.py", "--images 600 --steps 2 --repeats 1", 3),
    Job("ordered", "ordered.py --data {fashion-mnist}", "--k 3 --separate 2 --max-iter 1", 4),
    Job(
        "modules",
        "modules.py --data {fashion-mnist} --tables {adbench}",
        "--images 600 --epochs 1 --repeats 1 --seeds 1",
        12,
    ),
    Job("overhead", "overhead.py", "--repeats 1 --effort 0.05 --images 512 --only skae", 8),
    Job(
        "inference",
        "inference.py",
        "--rows 300 --fit-rows 300 --calls 5 --repeats 1 --skip-compile",
        8,
    ),
    Job(
        "detect_images",
        "detect.py --data {fashion-mnist} --svm-rows 1000",
        "--classes 0 --methods skae neighbors",
        12,
    ),
    Job(
        "few_labels_mnist",
        "few_labels.py --data {mnist} --k 16",
        "--k 2 --draws 1 --only pca variational --settings max_iter=1",
        15,
    ),
    Job(
        "few_labels_fashion_mnist",
        "few_labels.py --data {fashion-mnist} --k 16",
        "--k 2 --draws 1 --only pca dense",
        15,
    ),
    Job(
        "speed",
        "speed.py --data {fashion-mnist} --repeats 1 --peers mlp keras pyod pythae encdr",
        "--k 2 --epochs 1 --only dense conv pca textbook --peers mlp",
        25,
        all_cores=True,
    ),
    Job(
        "restore_noise",
        "restore.py --train {train400} --test {set12} --epochs 9",
        "--epochs 1",
        10,
        ("skimage", "PIL"),
    ),
    Job(
        "scaling",
        "scaling.py --images 200 --repeats 1",
        "--max-rows 1000 --only tables",
        12,
    ),
    Job(
        "memory",
        "memory.py --only first dense conv pca large large-file gray-file",
        "--only first --max-iter 1",
        12,
    ),
    Job("sparse", "sparse.py", "--only large --rows 2000 --k 2", 20),
    Job(
        "classify_fashion_mnist",
        "classify_images.py --data {fashion-mnist}",
        "--k 2 --only pixels pca dense",
        22,
    ),
    Job(
        "supervised_fashion_mnist",
        "classify_images.py --data {fashion-mnist} --k 64 --target-weight 1 --svc-rows 20000 --only labels",
        "--k 2 --max-iter 1",
        6,
    ),
    Job(
        "image_codes_mnist",
        "image_codes.py --data {mnist} --k 64",
        "--k 2 --seeds 1 --svc-rows 100 --only pca patches",
        20,
    ),
    Job(
        "image_codes_fashion_mnist",
        "image_codes.py --data {fashion-mnist} --k 16 32 64 128",
        "--k 2 --seeds 1 --svc-rows 100 --only raw conv",
        35,
    ),
    Job(
        "image_codes_usps",
        "image_codes.py --data {usps} --k 64",
        "--k 2 --seeds 1 --svc-rows 100 --only pca patches",
        2,
    ),
    Job(
        "image_codes_faces",
        "image_codes.py --data {faces} --k 64",
        "--k 2 --seeds 1 --svc-rows 100 --only pca patches",
        3,
    ),
    Job(
        "image_codes_gtsrb",
        "image_codes.py --data {gtsrb} --k 64 --seeds 1",
        "--k 2 --seeds 1 --svc-rows 100 --only pca patches",
        20,
    ),
    Job(
        "image_codes_umap_mnist",
        "image_codes.py --data {mnist} --k 64 --umap",
        "--k 2 --seeds 1 --svc-rows 100 --only pca patches",
        35,
        ("umap",),
    ),
    Job(
        "image_codes_umap_fashion_mnist",
        "image_codes.py --data {fashion-mnist} --k 64 --umap",
        "--k 2 --seeds 1 --svc-rows 100 --only pca patches",
        35,
        ("umap",),
    ),
    Job(
        "image_codes_cifar10",
        "image_codes.py --data {cifar10} --k 64 128 256 --svc-rows 20000",
        "--k 2 --seeds 1 --svc-rows 100 --only pca patches",
        60,
    ),
    Job(
        "generate_mnist",
        "generate.py --data {mnist} --max-iter 5 --epochs 5",
        "--k 2 --max-iter 1 --samples 50 --only PCA conv",
        14,
    ),
    Job(
        "generate_fashion_mnist",
        "generate.py --data {fashion-mnist} --max-iter 5 --epochs 5",
        "--k 2 --max-iter 1 --samples 50 --only PCA",
        14,
    ),
    Job(
        "sample_classes",
        "sample_classes.py",
        "--seeds 1 --only-tables wine --methods training skae skae_decoded smote",
        10,
    ),
    Job(
        "sample_classes_tables",
        "sample_classes.py --tables {labeled}",
        "--seeds 1 --methods training skae mixture",
        25,
    ),
    Job(
        "compress_mnist",
        "compress.py --data {mnist} --only webp pca rate --weights 0.12 0.35 0.7 1.1 1.7 --k 128 64 64 64 64",
        "--weights 1 --k 2 --test-rows 5 --pca-steps 0.5 --pca-k 8",
        18,
        ("constriction", "PIL"),
    ),
    Job(
        "compress_fashion_mnist",
        "compress.py --data {fashion-mnist} --only webp pca rate --weights 0.06 0.15 0.35 0.6 "
        "--k 128 128 64 64 --pca-steps 0.25 0.35 0.5 0.7",
        "--only webp pca --test-rows 5 --pca-steps 0.5 --pca-k 8 --weights 1 --k 2",
        15,
        ("constriction", "PIL"),
    ),
    Job(
        "compress_photographs",
        "compress.py --photographs {kodak} --only pca --pca-steps 0.3 0.4 0.5 0.7",
        "--pca-steps 0.5 --pca-k 8",
        10,
        ("constriction", "PIL"),
    ),
    Job(
        "restore_inpainting",
        "restore.py --data {fashion-mnist} --k 128 --epochs 24 --restorer-epochs 8",
        "--k 2 --epochs 1 --restorer-epochs 1 --test-rows 5",
        18,
        ("skimage", "PIL"),
    ),
    Job(
        "classify_mnist",
        "classify_images.py --data {mnist}",
        "--k 2 --only pca",
        20,
    ),
    Job(
        "more_epochs_cifar10",
        "more_epochs.py --images {cifar10} --n-samples 50000 --k 64 --max-iter 8 20 --only images --networks conv --seeds 1",
        "--n-samples 100 --k 2 --max-iter 6",
        12,
    ),
    Job(
        "more_epochs_images",
        "more_epochs.py --images {mnist} --photographs {kodak} --only images photographs --seeds 1",
        "--only photographs --max-iter 6",
        20,
        ("PIL",),
    ),
    Job(
        "against_pca_images",
        "against_pca.py --only images patches --images {mnist} {fashion-mnist}",
        "--only images --seeds 1",
        25,
    ),
    Job(
        "gpu",
        "gpu.py --data {data}",
        "--device cpu --quick --only peaks persistence",
        5,
        all_cores=True,
        gpu=True,
    ),
    Job(
        "memory_file",
        "memory.py --only file",
        "--only file --scale 0.00001 --max-iter 1",
        16,
    ),
]


# --------------------------------------------------------------------------------------------------------------- data

MIXED_TABLE = """@relation pets
@attribute weight numeric
@attribute kind {cat, dog}
@attribute class {a, b}
@data
""" + "".join(
    f"{i % 7 + 5 * (i % 2)},{('cat', 'dog')[i % 2]},{'ab'[i % 3 > 0]}\n" for i in range(200)
)
"""Generated table with categories for ``--quick``."""


def find_data(folder):
    """Return the path of each data set, or None if it is missing."""
    paths = {
        name: folder / name if folder else None
        for name in (
            "adbench",
            "mixed",
            "oddbench",
            "labeled",
            "mnist.npz",
            "cifar10.npz",
            "usps.npz",
            "faces.npz",
            "gtsrb.npz",
            "fashion-mnist",
            "train400",
            "set12",
            "kodak",
        )
    }
    for name in ("mnist", "cifar10", "usps", "faces", "gtsrb"):
        paths[name] = paths.pop(f"{name}.npz")
    paths["data"] = folder
    if paths["fashion-mnist"] is None or not paths["fashion-mnist"].exists():
        paths["fashion-mnist"] = SYSTEM_FASHION_MNIST
    return {name: path if path and path.exists() else None for name, path in paths.items()}


def generate_data(folder):
    """Generate small data of the same formats for ``--quick``."""
    import numpy as np

    rng = np.random.default_rng(0)
    names = ("adbench", "mixed", "oddbench", "labeled", "train400", "set12", "kodak")
    paths = {name: folder / name for name in names}
    for path in paths.values():
        path.mkdir()
    (paths["mixed"] / "pets.arff").write_text(MIXED_TABLE)
    paths["data"] = folder
    for name in ("1_first", "2_second"):
        X = rng.normal(size=(120, 3)) @ rng.normal(size=(3, 6)) + 0.1 * rng.normal(size=(120, 6))
        y = np.arange(120) % 12 == 0
        X[y] += 3 * rng.normal(size=(int(y.sum()), 6))
        np.savez(paths["adbench"] / f"{name}.npz", X=X, y=y.astype(int))
        np.savez(paths["oddbench"] / f"{name}.npz", train=X[~y], test=X, test_labels=y)
    for name in ("first", "second"):
        number, label = rng.normal(size=60), rng.choice(["a", "b"], 60)
        lines = [
            f"{n:.2f},{'x' if n > 0 else 'z'},{one}" for n, one in zip(number, label, strict=True)
        ]
        text = "\n".join(["number,word,label", *lines])
        (paths["labeled"] / f"{name}.csv").write_text(text, encoding="utf-8")
    shapes = {
        "mnist": (28, 28),
        "fashion-mnist": (28, 28),
        "cifar10": (32, 32, 3),
        "usps": (16, 16),
        "faces": (56, 46),
        "gtsrb": (32, 32, 3),
    }
    for name, shape in shapes.items():
        X = rng.integers(0, 256, (360, *shape), dtype=np.uint8)
        y = np.arange(360) % 10
        paths[name] = folder / f"{name}.npz"
        np.savez(paths[name], X_train=X[:300], y_train=y[:300], X_test=X[300:], y_test=y[300:])
    if importlib.util.find_spec("PIL"):
        from PIL import Image

        for name, n, shape in (
            ("train400", 8, (40, 40)),
            ("set12", 2, (40, 40)),
            ("kodak", 2, (48, 64, 3)),
        ):
            for i in range(n):
                pixels = rng.integers(0, 256, shape, dtype=np.uint8)
                Image.fromarray(pixels).save(paths[name] / f"{i}.png")
    return paths


# --------------------------------------------------------------------------------------------------------------- jobs


def missing_requirement(job, paths, *, quick=False):
    """Return the reason why a job cannot run, or None."""
    if job.gpu and not quick and not has_gpu():
        return "no CUDA GPU"
    for name, path in paths.items():
        if f"{{{name}}}" in job.command and path is None:
            return f"no data: {name}"
    for package in job.packages:
        if importlib.util.find_spec(package) is None:
            return f"not installed: {package}"
    return None


def has_gpu():
    """Return whether a CUDA GPU is available; the import of torch takes seconds."""
    import torch

    return torch.cuda.is_available()


def run_job(job, paths, log, results, *, quick):
    """Run a job; return its exit status and its minutes."""
    script, *arguments = job.command.split()
    for name, path in paths.items():
        arguments = [argument.replace(f"{{{name}}}", str(path)) for argument in arguments]
    if quick:
        arguments += job.quick.split()
    command = [sys.executable, str(FOLDER / script), *arguments, "--results", str(results)]
    environment = dict(os.environ)
    if job.all_cores and not quick:
        n_threads = os.cpu_count()
        environment["OMP_PROC_BIND"] = "true"
    else:
        n_threads = 1
    environment.update(dict.fromkeys(THREAD_VARIABLES, str(n_threads)))
    start = time.perf_counter()
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run(
            command, stdout=file, stderr=subprocess.STDOUT, env=environment, check=False
        )
    return done.returncode, (time.perf_counter() - start) / 60


def run_all(jobs, paths, logs, results, *, quick, required):
    """Run jobs and return the lines of the report and the number of failures."""
    report, n_failures = [], 0
    for job in jobs:
        reason = missing_requirement(job, paths, quick=quick)
        if reason:
            n_failures += required
            report.append(f"{'failed' if required else 'skipped'}  {job.name}: {reason}")
            print(report[-1], flush=True)
            continue
        log = logs / f"{job.name}.log"
        print(f"running {job.name}, about {job.minutes} minutes, log in {log}", flush=True)
        status, minutes = run_job(job, paths, log, results, quick=quick)
        word = "failed" if status else "done"
        n_failures += status != 0
        report.append(f"{word}  {job.name}: {minutes:.1f} minutes")
        print(report[-1], flush=True)
        if status:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
            print("\n".join(f"    {line}" for line in lines), flush=True)
    return report, n_failures


def main():
    """Run the jobs and print a report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [job.name for job in JOBS]
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="NAME", help=f"jobs: {', '.join(names)}"
    )
    parser.add_argument("--quick", action="store_true", help="run on small generated data")
    parser.add_argument("--list", action="store_true", help="print the jobs and their estimates")
    parser.add_argument("--results", type=Path, help="data file (default benchmarks/results.json)")
    parser.add_argument("--logs", type=Path, help="folder of the logs (default benchmarks/logs)")
    args = parser.parse_args()
    jobs = [job for job in JOBS if args.only is None or job.name in args.only]
    if args.list:
        for job in jobs:
            print(f"{job.name:26} {job.minutes:3} minutes  {job.command}")
        print(f"{'total':26} {sum(job.minutes for job in jobs):3} minutes")
        return
    with tempfile.TemporaryDirectory() as temporary:
        if args.quick:
            paths = generate_data(Path(temporary))
            results = args.results or Path(temporary, "results.json")
            logs = args.logs or Path(temporary)
        else:
            paths = find_data(args.data)
            results = args.results or FOLDER / "results.json"
            logs = args.logs or FOLDER / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        report, n_failures = run_all(
            jobs,
            paths,
            logs.resolve(),
            results.resolve(),
            quick=args.quick,
            required=args.only is not None and not args.quick,
        )
    print(f"\n{len(report)} jobs, {n_failures} failures")
    print("\n".join(report))
    sys.exit(1 if n_failures else 0)


if __name__ == "__main__":
    main()
