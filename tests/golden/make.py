"""Makes the folder ``run``: call it in this folder with the version of Brittlestar whose layout is to be kept."""

import sys
from pathlib import Path

sys.path.insert(0, ".")

import torch
import world

from brittlestar.analyses.explain import explained_again, write
from brittlestar.api.evaluation import Evaluation
from brittlestar.report import build
from brittlestar.runs.request import Watch

MODELS = ["first=torch:world.py:first", "second=torch:world.py:second"]


def asked(samples, follow_up=None, suite=world.SUITE):
    evaluation = Evaluation(suite=suite, out="run", samples=samples, batch=60)
    return evaluation.run(MODELS, "data.npz", Watch(), command="make.py", follow_up=follow_up)


if __name__ == "__main__":
    torch.set_num_threads(1)
    asked(55)
    asked(55, world.map_of_chosen_cells(), "clean")
    write(explained_again(Path("run")), Path("run/report"))
    build([Path("run")])
