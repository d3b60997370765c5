"""Every number that decides in the search: prices of names, thresholds of the verdict, sizes of the search.

Prices are negative logarithms of prior probabilities, in nats. `python -m benchmarks.tune_laws` measures what they do on
drawn laws with odd seeds; laws with even seeds are kept for reports.
"""


# --- prices of exponents -------------------------------------------------------------------------------------------

EXPONENTS = {
    1.0: 0.12, 2.0: 0.055, 0.5: 0.03, 3.0: 0.02, 1.5: 0.015, 4.0: 0.008, 1 / 3: 0.004, 2 / 3: 0.004, 2.5: 0.003,
    5.0: 0.003, 6.0: 0.002, 0.25: 0.002, 0.75: 0.002, 4 / 3: 0.002, 5 / 3: 0.001, 3.5: 0.0005, 7.0: 0.0005, 8.0: 0.0005,
    10.0: 0.0003, 12.0: 0.0002,
}  # fmt: skip
"""How often an exponent of this size (of either sign) is met in laws, relative to each other and to `FREE_EXPONENT`."""

FREE_EXPONENT = 0.03  # how often an exponent is none of these
ACTIVE_INPUTS = 2.5  # inputs in one term that are expected
FEWEST_ABSENT = 0.4  # smallest probability that an input is absent from a term
EXPONENT_SPREAD = 2.0  # standard deviation of a free exponent
LARGEST_EXPONENT = 13.0  # one more than the largest simple one: a prefactor inside a power adds up

# --- prices of the rest of a formula --------------------------------------------------------------------------------

TERM = 1.5  # of each term more
SIGN = 0.6931471805599453  # log 2: of a coefficient's sign
COEFFICIENT_SPREAD = 2.0  # standard deviation of log|coefficient|, of a term of size 1
COEFFICIENT_MEAN = -1.0  # mean of log(size of a term / size of the target)
ODD_SIGN = 3.0  # |x|^3, sign(x) x^2 and other signs that no power of x has
FORM = {"sum": 0.0, "power": 3.0, "quotient": 4.0, "function": 5.0}
UNUSUAL_POWER = 0.5  # of a sum's power -1/2 and 2
RARE_POWER = 1.0  # of a sum's power -2, of a root around or below a quotient
TRIGONOMETRIC_COLUMN = 4.0  # of a sine or cosine of an input that is used
COMBINED_COLUMN = 3.0  # of a difference of inputs, beside log(number of pairs)
ADDED_TERM = 2.0  # of a term beside an elementary function

# --- noise ----------------------------------------------------------------------------------------------------------

EXACT = 1e-9  # residuals of this part of the target's size are rounding, not noise
RELATIVE_FLOOR = 2e-3  # rows below this part of the median |y| weigh no more; 0.02 hurt sums that cross 0

# --- sizes of the search --------------------------------------------------------------------------------------------

SEARCH_ROWS = 400  # rows on which starts are tried; fits and evidence use all up to JUDGED_ROWS
ROUNDED_ROWS = 4000  # rows on which exponents are rounded
SCREENED_FROM = 8  # inputs; more are screened first
KEPT_INPUTS = 7  # of a screening, unless more matter clearly
LIBRARY = 700  # products of simple powers that starts are made of
LIBRARY_EXPONENT = 4.0  # largest in the library
LIBRARY_ACTIVE = 4  # most inputs in one product of the library
PAIR_STARTS = 60
PAIR_REUSE = 6  # of one product among the starts
RANDOM_STARTS = 30
KEPT_FITS = 5  # of each number of terms
FIRST_STEPS = 8  # of Levenberg-Marquardt on all starts
LATER_STEPS = 30  # on the best of them
KEPT_CLIMBS = 2  # of walks on the lattice
CLIMB_STEPS = 40  # of the walk on the lattice
WORSE_TERMS = 4.0  # nats: no more terms are tried when one more made it worse by this
ROUNDING_SLACK = 8.0  # nats that one step of rounding may cost; the best of the path is kept
ROUNDING_STEPS = 5  # of Levenberg-Marquardt after exponents were fixed
SURE_ROUNDING = -1.0  # nats: more exponents are fixed at once only where each gains so much
LARGEST_MOVE = 0.15  # of any parameter while exponents are fixed at once

# --- coefficients shown as simple numbers ---------------------------------------------------------------------------

SIMPLE_NUMBERS = {
    1.0: 0.15, 2.0: 0.08, 0.5: 0.08, 4.0: 0.03, 3.0: 0.03, 0.25: 0.03, 1.5: 0.02, 1 / 3: 0.01, 2 / 3: 0.01, 10.0: 0.01,
    8.0: 0.01, 0.1: 0.01, 5.0: 0.01, 0.125: 0.01, 4 / 3: 0.005, 0.75: 0.005, 6.0: 0.005, 1 / 6: 0.005, 0.2: 0.005,
    100.0: 0.005, 1000.0: 0.005, 12.0: 0.003, 16.0: 0.003, 2.5: 0.003,
}  # fmt: skip
"""Probability that a coefficient is this number (of either sign)."""

OTHER_NUMBER = 0.1  # probability density of any other coefficient, in its logarithm: 0.5 over 5 units of log
SURE_NUMBER = 20.0  # odds from which a coefficient is shown as a simple number
