"""A second stage as one plain torch module."""

import copy
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from sklimb._deployment import Deployment
from sklimb.fitting.plain_module import Posterior, ProbabilityModule
from sklimb.graph.decisions import Factors
from sklimb.graph.models import parts_of
from sklimb.nn.batch_first import AnyRowsLinear, plain, plain_members
from sklimb.training.losses import CrossEntropy
from sklimb.training.objective import Objective
from sklimb.two_stage._first_stage import unwrap
from sklimb.two_stage._heads import LinearHead


class NewHead(nn.Module):
    """The second stage's layer on the first stage's features, of all members.

    **Shape**

    - Input: `(K, batch, d)`
    - Output: `(K, batch, n_classes)`
    """

    def __init__(self, head, length):
        super().__init__()
        self.length = length
        if isinstance(head, LinearHead):
            scaled = (head.weight * head.scale, head.bias * head.scale)
            self.head = AnyRowsLinear(*(nn.Parameter(t.detach()) for t in scaled))
        else:
            self.head = plain(copy.deepcopy(head))

    def forward(self, h):
        if self.length is not None:
            h = F.normalize(h, dim=-1) * self.length
        return self.head(h)


class PlainSecondStage(Deployment):
    """`to_module` and `to_onnx` of a ClassifierRetrainer."""

    def _graph_parts(self):
        own = parts_of(self.estimator_, "the first stage")
        decision = Factors(self.decision_factors_)
        return replace(own, make_module=self._plain_module, decision=decision)

    def _plain_module(self):
        backbone, device = self._backbone, self._backbone.net.device
        objective = Objective(nn.Identity(), CrossEntropy())
        temperature = torch.as_tensor(self.temperature_, device=device)
        objective.temperature = temperature[:, None, None]
        intercept = torch.as_tensor(self.intercept_, device=device)
        objective.log_shift = -intercept[:, None, :]
        return ProbabilityModule(
            plain_members(backbone.module),
            Posterior(objective),
            unwrap(self.estimator_)[1].member_weights_,
            NewHead(self.head_, backbone.length),
        ).to(device)
