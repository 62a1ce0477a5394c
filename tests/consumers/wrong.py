"""What is wrong in what users write, line by line: a type checker has to find each, and is told what it should call it."""

import numpy as np

from skae import ConvAutoencoder, DenseAutoencoder, ImageRestorer, LatentCodec, TrainingDisplay
from skae.bottlenecks import Variational
from skae.export import to_onnx

rows = np.zeros((20, 4))
dense = DenseAutoencoder(2).fit(rows)

DenseAutoencoder(loss="squared")  # wrong: arg-type
DenseAutoencoder(n_filters=4)  # wrong: call-arg
DenseAutoencoder("all")  # wrong: arg-type
DenseAutoencoder(2, (16, 8))  # wrong: call-arg
DenseAutoencoder(max_iter="long")  # wrong: arg-type
ConvAutoencoder(channel_axis=2)  # wrong: arg-type
ConvAutoencoder(corruption="blur")  # wrong: arg-type
DenseAutoencoder(bottleneck=Variational)  # wrong: arg-type
DenseAutoencoder(penalty_weight=0.1)  # wrong: call-arg
Variational(beta=2)  # wrong: call-arg
ImageRestorer(loss="log_loss")  # wrong: arg-type
dense.fit("rows.npy")  # wrong: arg-type
dense.fit(rows, X_validation=rows)  # wrong: call-arg
dense.transform()  # wrong: call-overload
dense.transform(rows).cuda()  # wrong: attr-defined
dense.score(rows).mean()  # wrong: attr-defined
dense.n_components_.shape  # wrong: attr-defined
LatentCodec().fit(rows).compress(rows).shape  # wrong: attr-defined
LatentCodec().decompress("a message")  # wrong: arg-type
TrainingDisplay.from_estimator(dense).figure_.store("x.png")  # wrong: attr-defined
to_onnx(dense, "encoder.onnx", method="encode")  # wrong: arg-type
