"""Fitted estimators as one safetensors file each, without pickle: save and load."""

from sklimb.persistence.files import FORMAT as FORMAT
from sklimb.persistence.files import read as read
from sklimb.persistence.files import write as write
from sklimb.persistence.loading import load as load
from sklimb.persistence.saved import Saved as Saved
from sklimb.persistence.saving import save as save
