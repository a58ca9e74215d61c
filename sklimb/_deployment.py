"""A fitted classifier for programs that do not know it: torch modules, ONNX graphs."""

from sklearn.utils.validation import check_is_fitted

from sklimb.fitting.plain_module import plain_module
from sklimb.graph.decisions import Factors
from sklimb.graph.models import Parts
from sklimb.graph.write import write


class Deployment:
    """What leaves the library. The class has `_plain_module`, if it is another one."""

    def to_module(self):
        """The fitted classifier as a plain torch module, for other libraries.

        Explainers (captum, shap) and `torch.export` take it as it is. Members are
        mixed in it, and output bias, prior shift and temperature applied. It is a copy,
        in evaluation mode: whatever is done to it, the classifier stays as it is.

        Returns
        -------
        torch.nn.Module
            Encoded rows, a tensor of shape (batch, n_encoded_columns), to
            probabilities (batch, n_classes) in the order of `classes_`, differentiable.
            Both are of the dtype of the network. Rows of a table are encoded by
            `torch.from_numpy(clf.encoder_.transform(X))`: numbers, missing indicators,
            then codes of categories, which have no gradient. Images are pixels in the
            order channel, height, width, flat or (batch, channels, height, width):
            uint8, or floats that are 0 and 1 at the ends of the training range.

        Raises
        ------
        NotFittedError
            Before `fit`.

        Examples
        --------
        >>> import torch
        >>> from sklimb import TabularMLPClassifier
        >>> from sklimb.datasets import make_transactions
        >>> data = make_transactions(1000, fraud_rate=0.1, random_state=0)
        >>> clf = TabularMLPClassifier(max_epochs=3, random_state=0)
        >>> module = clf.fit(data.X, data.y).to_module()
        >>> module(torch.from_numpy(clf.encoder_.transform(data.X[:5]))).shape
        torch.Size([5, 2])
        """
        check_is_fitted(self)
        return self._plain_module()

    def to_onnx(self, path, *, column_types=None):
        """Write the fitted classifier as one ONNX file, from raw columns to labels.

        See `sklimb.export.to_onnx`, which takes Pipelines and threshold wrappers too.

        Parameters
        ----------
        path : str or path
            The file, which is replaced if it is there.
        column_types : dict or None, default=None
            Types of inputs by column, where the default does not suit: "float64",
            "float32", "int64", "bool" or, for categories, "string".

        Raises
        ------
        ImportError
            onnx or onnxscript is not installed.
        ValueError
            A column or a type that there is not, or labels that are no str, int, float
            or bool.
        FileNotFoundError
            The folder of the path does not exist, or the path is a folder.
        NotFittedError
            Before `fit`.
        """
        write(self, path, column_types)

    def _graph_parts(self):
        return Parts(
            [self.encoder_],
            self._plain_module,
            self.classes_,
            Factors(self.decision_factors_),
        )

    def _plain_module(self):
        return plain_module(self.net_, self.member_weights_)
