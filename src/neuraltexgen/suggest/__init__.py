"""Where further photos would help a texture most: what the photos show of a mesh, and which views would add most."""

from neuraltexgen.suggest.choose import Suggestion, suggest
from neuraltexgen.suggest.known import Survey, survey
from neuraltexgen.suggest.write import write_suggestions

__all__ = ["Suggestion", "Survey", "suggest", "survey", "write_suggestions"]
