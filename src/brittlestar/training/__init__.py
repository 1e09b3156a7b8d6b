"""Training recipes and the one loop that runs them."""

from brittlestar.core.definition import Catalogue
from brittlestar.training.loop import train
from brittlestar.training.recipes import Adversarial, GaussianAugmentation, Natural, Recipe

__all__ = ["RECIPES", "Adversarial", "GaussianAugmentation", "Natural", "Recipe", "train"]

RECIPES: Catalogue[Recipe] = Catalogue("recipe", [Natural, GaussianAugmentation, Adversarial])
