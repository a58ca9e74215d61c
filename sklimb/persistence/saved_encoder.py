"""A fitted TabularEncoder in a file of its own."""

from sklimb.persistence.encoders import check_encoder
from sklimb.persistence.saved import Saved


class SavedEncoder(Saved):
    """What a file holds of an encoder, beside its parameters."""

    _saved_when = "_columns"

    def _own_state(self):
        config, arrays = self._get_state()
        return {"names": config["names"], "columns": config["columns"]}, arrays

    def _set_own_state(self, config, arrays):
        flags = arrays.get("is_categorical")
        n_features = 0 if flags is None else len(flags.flatten())
        whole = {**config, "params": self.get_params(deep=False)}
        encodings = ("ordinal", "onehot")
        check_encoder("columns", whole, arrays, n_features, self.dtype, encodings)
        self._take_state(whole, {name: value.numpy() for name, value in arrays.items()})
