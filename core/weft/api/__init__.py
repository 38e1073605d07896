"""The three verbs: prepare, train, generate. The only place where the stages are wired together."""

from weft.api.corpus import Corpus as Corpus
from weft.api.folders import load as load
from weft.api.folders import merge as merge
from weft.api.folders import plot as plot
from weft.api.preparing import prepare as prepare
from weft.api.run import Run as Run
from weft.api.training import plan as plan
from weft.api.training import train as train
