"""Synthetic fingerprints in the manner of SFinGe, for demonstrations and tests without anybody's finger.

Method: R. Cappelli, D. Maio and D. Maltoni, "Synthetic fingerprint-database generation" (ICPR 2002), and
chapter 6 of the Handbook of Fingerprint Recognition (Maltoni, Maio, Jain, Prabhakar). A master finger is an
orientation field with its singular points, a field of ridge periods, and ridges grown along them; each
impression then places, presses, stretches, wets, wears and reads it anew. Everything follows from the seeds.
Synthetic prints show that the line works; error rates are measured on real ones.
"""

from inference.synthesis.condition import Condition
from inference.synthesis.master import MasterFinger, make_finger
from inference.synthesis.pattern import Pattern

__all__ = ["Condition", "MasterFinger", "Pattern", "make_finger"]
