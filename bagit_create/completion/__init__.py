"""From a light bag to a full one, and back: each time the whole bag is replaced by one step."""

from .complete import Completion, complete
from .options import CompletionOptions
from .thin import thin

__all__ = ["Completion", "CompletionOptions", "complete", "thin"]
