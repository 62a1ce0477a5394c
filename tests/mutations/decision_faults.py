"""Faults in the choice of an epoch, in networks, in their uses, and in files."""

from fault import Fault

__all__ = ["DECISION_FAULTS"]

TRAINING = ("test_training.py", "test_fitting.py")
BOTTLENECKS = ("test_bottlenecks.py",)
NETWORKS = ("test_networks.py",)
ANOMALY = ("test_anomaly.py",)

DECISION_FAULTS = [
    # ---------- selection
    Fault(
        "first-fold-copy-goes-to-the-user",
        "selection",
        "_training.py",
        "weight[-1] if self.copies",
        "weight[0] if self.copies",
        TRAINING,
    ),
    Fault(
        "padding-counts-as-held-out-rows",
        "selection",
        "_training.py",
        "(values * weights)[..., weights > 0]",
        "(values * weights).flatten(-weights.ndim)",
        TRAINING,
    ),
    Fault(
        "epoch-chosen-by-reconstruction-alone",
        "selection",
        "_training.py",
        "if losses.mean() < self.best.loss:",
        "if rebuilt.mean() < self.best.rebuilt:",
        (*TRAINING, "test_penalties.py", "test_targets.py"),
    ),
    Fault(
        "training-given-up-unless-sure-at-once",
        "selection",
        "_training.py",
        "self.best is self.start if done < 0.4 else not self.best.beats(self.start, self.caution)",
        "not self.best.beats(self.start, self.caution)",
        TRAINING,
    ),
    Fault(
        "codes-noted-on-training-rows",
        "selection",
        "_fitting.py",
        "rows = ready.rows if ready.looked_at is None else ready.looked_at",
        "rows = ready.rows",
        (*TRAINING, "test_bottlenecks.py", "test_advice.py"),
    ),
    # ---------- networks
    Fault(
        "ordered-codes-mostly-short",
        "networks",
        "networks/bottlenecks.py",
        "often[:3] /= 3",
        "often[:3] *= 3",
        BOTTLENECKS,
    ),
    Fault(
        "quantization-cost-not-in-units-of-pca",
        "networks",
        "networks/bottlenecks.py",
        "(apart * self.units.square()).sum(-1)",
        "apart.sum(-1)",
        BOTTLENECKS,
    ),
    Fault(
        "correction-sees-outliers-unbounded",
        "networks",
        "networks/autoencoder.py",
        "width = 3.0",
        "width = 300.0",
        NETWORKS,
    ),
    Fault(
        "int64-cast-before-centering",
        "networks",
        "networks/blocks.py",
        "x = (x - whole).double() - (",
        "x = (x.double() - whole) - (",
        NETWORKS,
    ),
    Fault(
        "border-of-large-images-fades",
        "networks",
        "networks/conv.py",
        'mode="replicate"',
        'mode="constant"',
        NETWORKS,
    ),
    # ---------- uses
    Fault(
        "no-floor-under-usual-errors",
        "uses",
        "anomaly/_detector.py",
        "FLOOR = 0.2",
        "FLOOR = 0.0",
        ANOMALY,
    ),
    Fault(
        "cross-fit-judges-its-own-half",
        "uses",
        "anomaly/_detector.py",
        "outside = [(fits[1], halves[0], first), (fits[0], halves[1], second)]",
        "outside = [(fits[0], halves[0], first), (fits[1], halves[1], second)]",
        ANOMALY,
    ),
    Fault(
        "mixture-learns-from-the-first-codes",
        "uses",
        "generation.py",
        "codes = codes[np.random.default_rng(seed).permutation(len(codes))[:MOST_ROWS]]",
        "codes = codes[:MOST_ROWS]",
        ("test_generation.py",),
    ),
    Fault(
        "context-dropped-where-it-helps",
        "uses",
        "compression/symbols.py",
        "2 * gain.std() / math.sqrt(len(held_out))",
        "2 * gain.std()",
        ("test_compression.py",),
    ),
    Fault(
        "range-of-uint16-from-the-images",
        "uses",
        "restoration/_checks.py",
        "if clean.dtype in (np.uint8, np.uint16):",
        "if clean.dtype == np.uint8:",
        ("test_restoration.py", "test_restoration_pieces.py"),
    ),
    # ---------- files
    Fault(
        "onnx-detector-counts-the-row-itself",
        "files",
        "export/_onnx.py",
        "nearest[:, 0] <= self.itself",
        "nearest[:, 0] < 0",
        ("test_export.py",),
    ),
    Fault(
        "onnx-detector-standardizes-in-float32",
        "files",
        "export/_onnx.py",
        "x = ((x.double() - self.mean) / self.scale)",
        "x = ((x.float() - self.mean.float()) / self.scale.float())",
        ("test_export.py",),
    ),
    Fault(
        "interrupted-fit-leaves-half-a-state",
        "files",
        "_state.py",
        "except BaseException:",
        "except Exception:",
        ("test_errors.py", "test_fitting.py", "test_net.py"),
    ),
    Fault(
        "photographs-decoded-too-coarsely",
        "files",
        "datasets/_images.py",
        "enough = (2 * width, 2 * height)",
        "enough = (width, height)",
        ("test_datasets.py",),
    ),
    Fault(
        "fractions-cut-off-to-the-first-dtype",
        "files",
        "datasets/_torch.py",
        '"same_kind")',
        '"unsafe")',
        ("test_datasets.py",),
    ),
]
"""Five each of the choice of an epoch, the networks, what is built on autoencoders, and files."""
