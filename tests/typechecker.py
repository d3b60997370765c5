"""The type checker that jaxtyping's import hook applies to every annotated function of the package while tests run."""

from beartype import BeartypeConf, beartype

typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as for static checkers
