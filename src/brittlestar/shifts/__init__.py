"""Shifts: changes of the test distribution that know no model.

To add one, write it in a family's file and add a line here: its import lists it, and the order of the lines is the
catalogues'.
"""

import inspect

from brittlestar.core.definition import Catalogue
from brittlestar.shifts.base import Shift as Shift
from brittlestar.shifts.sequence_base import Sequence as Sequence

# isort: off
from brittlestar.shifts.noise import GaussianNoise as GaussianNoise
from brittlestar.shifts.noise import ShotNoise as ShotNoise
from brittlestar.shifts.noise import ImpulseNoise as ImpulseNoise
from brittlestar.shifts.noise import SpeckleNoise as SpeckleNoise
from brittlestar.shifts.noise import UniformNoise as UniformNoise
from brittlestar.shifts.noise import SaltAndPepper as SaltAndPepper
from brittlestar.shifts.blur import GaussianBlur as GaussianBlur
from brittlestar.shifts.lens import DefocusBlur as DefocusBlur
from brittlestar.shifts.glass import GlassBlur as GlassBlur
from brittlestar.shifts.lens import MotionBlur as MotionBlur
from brittlestar.shifts.lens import ZoomBlur as ZoomBlur
from brittlestar.shifts.snow import Snow as Snow
from brittlestar.shifts.frost import Frost as Frost
from brittlestar.shifts.weather import Fog as Fog
from brittlestar.shifts.spatter import Spatter as Spatter
from brittlestar.shifts.colour import Brightness as Brightness
from brittlestar.shifts.colour import Contrast as Contrast
from brittlestar.shifts.colour import Saturation as Saturation
from brittlestar.shifts.colour import Greyscale as Greyscale
from brittlestar.shifts.colour import Inversion as Inversion
from brittlestar.shifts.elastic import ElasticTransform as ElasticTransform
from brittlestar.shifts.digital import Pixelation as Pixelation
from brittlestar.shifts.digital import Jpeg as Jpeg
from brittlestar.shifts.geometric import Rotation as Rotation
from brittlestar.shifts.geometric import Translation as Translation
from brittlestar.shifts.geometric import Scale as Scale
from brittlestar.shifts.geometric import Shear as Shear
from brittlestar.shifts.spectral import LowPass as LowPass
from brittlestar.shifts.spectral import HighPass as HighPass
from brittlestar.shifts.spectral import BandNoise as BandNoise
from brittlestar.shifts.bands import BandPass as BandPass
from brittlestar.shifts.bands import BandStop as BandStop
from brittlestar.shifts.bands import RingNoise as RingNoise
from brittlestar.shifts.bands import PhaseScrambling as PhaseScrambling
from brittlestar.shifts.bands import RandomMask as RandomMask
from brittlestar.shifts.spectral import FourierBasis as FourierBasis
from brittlestar.shifts.geirhos import Grey as Grey
from brittlestar.shifts.geirhos import GreyContrast as GreyContrast
from brittlestar.shifts.geirhos import GreyUniformNoise as GreyUniformNoise
from brittlestar.shifts.geirhos import GreySaltAndPepper as GreySaltAndPepper
from brittlestar.shifts.geirhos import GreyLowPass as GreyLowPass
from brittlestar.shifts.geirhos import GreyHighPass as GreyHighPass
from brittlestar.shifts.geirhos import QuarterTurn as QuarterTurn
from brittlestar.shifts.geirhos import OpponentColour as OpponentColour
from brittlestar.shifts.geirhos_spectral import PhaseNoise as PhaseNoise
from brittlestar.shifts.geirhos_spectral import PowerEqualisation as PowerEqualisation
from brittlestar.shifts.eidolon import Eidolon as Eidolon
from brittlestar.shifts.mnist import Stripe as Stripe
from brittlestar.shifts.mnist_lines import StraightLine as StraightLine
from brittlestar.shifts.mnist_lines import DottedLine as DottedLine
from brittlestar.shifts.mnist_lines import Zigzag as Zigzag
from brittlestar.shifts.mnist import CannyEdges as CannyEdges
from brittlestar.shifts.mnist import Quantization as Quantization
from brittlestar.shifts.mnist import VerticalBlur as VerticalBlur
from brittlestar.shifts.mnist import MnistGlassBlur as MnistGlassBlur
from brittlestar.shifts.mnist import MnistMotionBlur as MnistMotionBlur
from brittlestar.shifts.mnist import MnistSaturation as MnistSaturation
from brittlestar.shifts.mnist import MnistElasticTransform as MnistElasticTransform
from brittlestar.shifts.mnist import ReleasedShear as ReleasedShear
from brittlestar.shifts.mnist import PessimalNoise as PessimalNoise

from brittlestar.shifts.sequences import GaussianNoiseSequence as GaussianNoiseSequence
from brittlestar.shifts.sequences import ShotNoiseSequence as ShotNoiseSequence
from brittlestar.shifts.sequences import MotionBlurSequence as MotionBlurSequence
from brittlestar.shifts.sequences_geometric import ZoomBlurSequence as ZoomBlurSequence
from brittlestar.shifts.sequences import SnowSequence as SnowSequence
from brittlestar.shifts.sequences import BrightnessSequence as BrightnessSequence
from brittlestar.shifts.sequences_geometric import TranslateSequence as TranslateSequence
from brittlestar.shifts.sequences_geometric import RotateSequence as RotateSequence
from brittlestar.shifts.sequences_geometric import TiltSequence as TiltSequence
from brittlestar.shifts.sequences_geometric import ScaleSequence as ScaleSequence
from brittlestar.shifts.sequences import SpeckleNoiseSequence as SpeckleNoiseSequence
from brittlestar.shifts.sequences import GaussianBlurSequence as GaussianBlurSequence
from brittlestar.shifts.sequences import SpatterSequence as SpatterSequence
from brittlestar.shifts.sequences_geometric import ShearSequence as ShearSequence
# isort: on

_LISTED = [kind for kind in vars().values() if inspect.isclass(kind) and kind not in (Shift, Sequence)]
SHIFTS: Catalogue[Shift] = Catalogue("shift", (kind for kind in _LISTED if issubclass(kind, Shift)))
SEQUENCES: Catalogue[Sequence] = Catalogue("sequence", (kind for kind in _LISTED if issubclass(kind, Sequence)))
