"""The packages that earlier runs made: has one the record as it is, or some of its files?"""

from .earlier import Earlier
from .place import check_place

__all__ = ["Earlier", "check_place"]
