"""Tasks of MetaBalance: pairs of a support and a query batch."""


class Episodes:
    """Batches of tasks: pairs of a support and a query batch, `n_tasks` per update.

    An epoch is one pass over the query rows; support rows begin again when they are
    used up. A batch holds "tasks", a list of pairs of dicts as `Batches` gives them, X
    and y of the last query batch, and active, None.

    Parameters
    ----------
    support, query : Batches
    n_tasks : int
    """

    def __init__(self, support, query, n_tasks):
        self.support, self.query, self.n_tasks = support, query, n_tasks
        self._used, self._supply = 0, self._round()

    def take_(self, members):
        """Keep only the given members."""
        self.support.take_(members)
        self.query.take_(members)
        self._supply = self._round(self._used)

    def __len__(self):
        return -(-len(self.query) // self.n_tasks)

    @property
    def n_steps(self):
        """Updates per epoch of each member, equal for all."""
        return [len(self)] * self.query.n_members

    @property
    def batch_size(self):
        """Query rows per task."""
        return self.query.batch_size

    def __iter__(self):
        tasks = []
        for query in self.query:
            tasks.append((next(self._supply), query))
            if len(tasks) == self.n_tasks:
                yield self._batch(tasks)
                tasks = []
        if tasks:
            yield self._batch(tasks)

    def _round(self, skip=0):
        """Support batches without end; of the first epoch, `skip` were used before."""
        while True:
            for i, batch in enumerate(self.support):
                if i >= skip:
                    self._used = i + 1
                    yield batch
            skip = 0

    @staticmethod
    def _batch(tasks):
        _, query = tasks[-1]
        return {"X": query["X"], "y": query["y"], "tasks": tasks, "active": None}
