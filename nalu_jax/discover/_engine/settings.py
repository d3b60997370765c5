"""Every number that decides in the search: prices of names, thresholds of the verdict, sizes of the search.

Prices are negative logarithms of prior probabilities, in nats. `python -m benchmarks.tune_laws` measures what
they do on drawn laws with odd seeds; laws with even seeds are kept for reports.
"""

from nalu_jax import _prior

# --- prices of exponents -------------------------------------------------------------------------------------------

EXPONENTS = _prior.EXPONENTS  # shared with the rounding of trained weights
FREE_EXPONENT = _prior.FREE
ACTIVE_INPUTS = 2.5  # inputs in one term that are expected
FEWEST_ABSENT = 0.4  # smallest probability that an input is absent from a term
EXPONENT_SPREAD = _prior.SPREAD  # standard deviation of a free exponent
LARGEST_EXPONENT = 13.0  # one more than the largest simple one: a prefactor inside a power adds up

# --- prices of the rest of a formula --------------------------------------------------------------------------------

TERM = 1.5  # of each term more
SIGN = 0.6931471805599453  # log 2: of a coefficient's sign
COEFFICIENT_SPREAD = 2.0  # standard deviation of log|coefficient|, of a term of size 1
COEFFICIENT_MEAN = -1.0  # mean of log(size of a term / size of the target)
ODD_SIGN = 3.0  # |x|^3, sign(x) x^2 and other signs that no power of x has
FORM = {"sum": 0.0, "power": 3.0, "quotient": 4.0, "function": 5.0}
POWERS = {-1.0: 0.0, 0.5: 0.0, -0.5: 0.5, 2.0: 0.5, -2.0: 1.0, -1.5: 1.0, 1.5: 1.0}
"""Of a sum, those that are tried, and what they cost; 3/2 by hand after fields of loops and profiles of stars were
taken for other formulas."""
RARE_POWER = 1.0  # of a root around or below a quotient
FAR_POWER = 2.0  # of any other power of a sum
TRIGONOMETRIC_COLUMN = 4.0  # of a sine or cosine of an input that is used
SIMPLE_RATE = 20.0  # of a simple number for the rate of an exponential: rates have a unit, and are measured
COMBINED_COLUMN = 3.0  # of a difference of inputs, beside log(number of pairs)
ADDED_TERM = 2.0  # of a term beside an elementary function

# --- noise ----------------------------------------------------------------------------------------------------------

EXACT = 1e-9  # residuals of this part of the target's size are rounding, not noise
RELATIVE_FLOOR = 2e-3  # rows below this part of the median |y| weigh no more; 0.02 hurt sums that cross 0

SOFT_FLOOR = 0.3  # the same while starts are chosen, so that rows near a zero of the target do not rule

# --- sizes of the search --------------------------------------------------------------------------------------------

SEARCH_ROWS = 400  # rows on which starts are tried; fits and evidence use all up to JUDGED_ROWS
ROUNDED_ROWS = 4000  # rows on which exponents are rounded
SCREENED_FROM = 10  # inputs; more are screened first
KEPT_INPUTS = 7  # of a screening, beside those that matter clearly
MOST_INPUTS = 20  # that may matter clearly
CLEAR_SLOPE = 40.0  # squared t value of an input's slope in logarithms that makes it matter clearly
SCREENING_ROWS = 300
SCREENING_POWERS = (1, -1, 2, -2, 0.5, -0.5)
SCREENING_STEPS = 6
LIBRARY = 700  # products of simple powers that starts are made of
LIBRARY_EXPONENT = 4.0  # largest in the library
LIBRARY_ACTIVE = 4  # most inputs in one product of the library
SINGLE_STARTS = 12
PAIR_STARTS = 60
TRIPLE_PRODUCTS = 150  # the cheapest, of which all triples are tried
TRIPLE_STARTS = 40
ADDITIONS = 12  # to each fit of one term less
EXCHANGED = 2  # best fits of three terms and more in which each term is exchanged
PAIR_REUSE = 6  # of one product among the starts
RANDOM_STARTS = 30
KEPT_FITS = 5  # of each number of terms
FIRST_STEPS = 8  # of Levenberg-Marquardt on all starts
LATER_STEPS = 30  # on the best of them
KEPT_CLIMBS = 2  # of walks on the lattice
CLIMB_STEPS = 40  # of the walk on the lattice
WORSE_TERMS = 4.0  # nats: no more terms are tried when one more made it worse by this
SOME_MISFIT = 1.0  # nats of lack of fit from which three terms are tried though two are no better than one
ROUNDING_SLACK = 8.0  # nats that one step of rounding may cost; the best of the path is kept
HOPELESS = 6.0  # nats that a fit must be able to come near the best known to be rounded at all
EXACT_STEPS = 15  # of Levenberg-Marquardt after exponents of an exact fit were fixed
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

# --- intervals beside standard errors --------------------------------------------------------------------------------

UNCERTAIN = 0.1
"""Relative standard error from which a number has an interval of its own: exp(+-2 * 0.1) is 1.22 and 0.82, where two
standard errors say 1.20 and 0.80, so that a tenth of the half-width is wrong. Exponents, whose error counts over the
logarithm of their column, have one where the ends are as unequal."""

PROFILED = 3  # numbers of one formula, the least certain: 10 ms for most formulas, 60 ms for one of twenty
PROFILED_CELLS = 2e4  # rows times numbers: with more the fits take longer than some tenths of a second
BOUND_DIGITS = 1e-4  # of a bound's logarithm: it is shown with two digits

# --- sizes of the search among quotients and functions --------------------------------------------------------------

FAR_POWERS = (-2.5, -3.0)  # of sums, tried where no law stands; by hand, for Plummer's profile
POWERS_BELOW = (0.5, 1.5, 2.0)  # of 1 + q below a bar; the last two by hand, as those of sums
POWER_LIBRARY = 350  # products that starts of powers of sums are made of
QUOTIENT_LIBRARY = 250  # products, each above and below the bar
QUOTIENT_TRIPLES = 140  # products of whole powers up to 2, all triples of which are tried
QUOTIENT_PAIRS = 60
QUOTIENT_GROWN = 30  # subsets that are grown by one term
QUOTIENT_STARTS = 60  # fits of each number of terms above and below
ROOT_PRODUCTS = 100  # products tried inside a root below the bar
ROOT_TERMS = 40  # products tried above it
ROOT_SIZES = (-0.95, -0.6, -0.3, 0.5, 2.0, 8.0)  # largest size of the term inside
ROOT_LARGEST = (-0.999, -0.95, -0.8, -0.6, -0.4, -0.2)  # as ROOT_SIZES, of a root beside a term; both by hand
ROOT_MEDIAN = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # sizes of the median of what is added to 1 there
FUNCTION_SIZES = (0.15, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 4.5, 7.0)  # of the median inside a function
PERIODIC_SIZES = tuple(1.7 * 1.08**i for i in range(20))  # beside these: a period must not be missed
FUNCTION_EACH = 4  # starts of one size
FUNCTION_STARTS = 16  # fits of one function
FUNCTION_FITS = 6  # of which so many are fitted to the end
FUNCTION_BEHIND = 30.0  # a function whose best rss is this multiple of the best function's is left
FREE_INSIDE = 5.0  # nats that free exponents inside a function must gain to be rounded
INNER_PRODUCTS = 360  # inside a function
MORE_INNER_PRODUCTS = 1600
"""The same where nothing fits. In the order of `library` a^2 sqrt(b) of four inputs is the 418th to 462nd product, and
a*b*c^2 of six the 1,086th to 1,558th. By hand, after a look at the reported seed 60,196 of `benchmarks.laws`."""
SERIES = 8  # best formulas whose terms say what else may stand there; by hand
UNUSED = 0.2  # exponents by which terms differ less are none; by hand
DERIVED_INNER = 25  # products beside a derived column inside a function
SHIFTED_LIBRARY = 24  # products that starts of functions of two terms are made of
SHIFTED_FRONTS = 6  # of them in front
SHIFTED_INSIDES = 8  # of them inside, beside a number
SHIFTED_STARTS = 8  # fits of each function, with and without a number beside it
MOST_CYCLES = 40  # of a wave over the range of what is inside
PLANE_CYCLES = 5  # of a wave in two products over the range of each
STEPS_OF_A_CYCLE = 6  # tried frequencies, per cycle over that range
FREQUENCIES = 3  # of each product inside, the best, that are fitted
LEVEL_MARGINS = (1e-3, 1e-2, 0.1, 0.5, 3.0)  # of the target's range, by which levels lie beyond it
PEAKS = 4  # pairs of products inside an exponential that are fitted, of each level below
MOST_INSIDE = 16  # derived columns that are tried inside a function
SCANNED_ROWS = 120  # rows of the scan of inner products and of derived columns
LEAST_RATIO = 1.5  # of its largest to its smallest value: an input that varies less is not looked at in logarithms
LEAST_ANGLE = 0.3  # radian: an input that varies less is no angle
MOST_ANGLE = 20.0
ALIKE_SCALES = 10.0  # inputs whose sizes differ by more are not subtracted
LEAST_GROWTH = 3.0  # of the exponent of an exponential column at its largest, in size
GROWING_RIVALS = 2  # up to so many of them they are rivals of any law: a cubic is near an exponential
MOST_GROWING = 4  # inputs whose exponentials are tried
RATES = (*(-0.1 * 1.5**k for k in range(10)), *(0.1 * 1.5**k for k in range(6)))  # powers of such a column in a sum
GROWTH = (-0.1, -0.3, -1.0, -3.0, 0.1, 0.3)  # powers of such a column in front of a wave
DERIVED_ATOMS = 12000  # products of derived columns with products of the library
DERIVED_LIBRARY = 400  # products of the library
DERIVED_TERMS = 3
DERIVED_PATHS = 16  # of the pursuit
DERIVED_KEPT = 8  # sets of each number of terms that are fitted
SIMPLE_ATOMS = 240  # of them all triples are tried
FACTOR_PRODUCTS = 30  # products tried behind the factor which all terms seem to share
WHOLE_ENOUGH = 0.2  # of an exponent of the log-linear regression from a whole number that is taken for it

# --- units of measure -----------------------------------------------------------------------------------------------
# set by hand before any result; `python -m benchmarks.feynman --units` measures what they do

UNITS_OF_CONSTANTS = (0.5, 0.25, 0.25)  # pure numbers or known constants; one common unit in each sum; any
INCONSISTENT = 500.0  # nats of a term that a strict search does not allow: behind everything that is consistent
FORBIDDEN = 100.0  # nats of an exponent that the caller does not allow, and of an input that is to be there and is not
HALF_PRODUCTS = 20_000  # cheapest products of half of the columns, joined with those of the other half
CONSISTENT = 3000  # consistent products of one dimension that are kept
CONSISTENT_RIVALS = 3  # stages of consistent formulas that are searched where a law seems to stand
CONSISTENT_ATOMS = 600  # of one group of terms, all pairs of which are tried
CONSISTENT_TRIPLES = 160  # of which all triples are tried
CONSISTENT_SETS = 16  # sets of each number of terms that are fitted to the end
CONSISTENT_GROWN = 24  # sets that get one term more
CONSISTENT_INNER = 48  # products inside a function
CONSISTENT_FRONT = 24  # products in front of one, and beside it
PURE_SIZES = (
    1.0,
    0.5,
    2.0,
    6.283185307179586,
    3.141592653589793,
    0.25,
    4.0,
)  # pure numbers that stand inside functions

# --- rivals and verdict ---------------------------------------------------------------------------------------------

NEIGHBOUR_REACH = 2  # simple numbers to either side of an exponent
NEIGHBOUR_STEPS = 6  # of the walk over neighbours
DRAWN_ROUNDINGS = 48  # of the best fit, for rivals
MOVED_EXPONENTS = 7  # of which two at a time are moved
MOVED_STEPS = 3  # of Levenberg-Marquardt on coefficients
MOVED_KEPT = 16
ROUNDED_NEIGHBOUR = 10.0  # nats behind the best up to which a neighbour is rounded again
ROUNDED_NEIGHBOURS = 12
FEW_COLUMNS = 6  # up to which absent inputs are tried with a free exponent
SAME_EVIDENCE = 1e-3  # nats
SAME_VALUES = 1e-3  # of the noise: fits that differ by less are one function
SAME_EXPONENT = 3.0  # standard errors within which exponents are the same
LIKE_THE_FACTOR = 0.1  # exponents beside a function that are as near to those in front are tried as the same; by hand
OTHER_NOISE = 5  # best formulas that are fitted with the other model of the noise as well
REFITTED_CELLS = 2e7  # rows times parameters that are refitted in all
FEWEST_REFITTED = 2
ALL_ROWS_STEPS = 5  # of Levenberg-Marquardt on all rows, from a fit to some thousands
REFITTED = 16  # formulas that are refitted on all rows
RIVALS = 12.0  # nats behind the best from which a formula is no rival
SMOOTHED_ROWS = 200  # on which residuals are looked at
SMOOTH_JOINT = (0.5, 1.2)  # lengths of smooth functions of all inputs, in their standard deviations
SMOOTH_SINGLE = 0.4  # of one input
SMOOTH_RATIOS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0, 1e4)  # of the smooth function's variance to the noise's
MISFIT = 4.0  # nats of lack of fit above which something may be left; noise has more in less than one table of 100
CLEAR_MISFIT = 8.0  # above which something is; both by `tune_laws`, odd seeds, where 2 to 4, and 4 to 16, say the same
GAP = 6.0  # nats to the next different formula from which the best stands alone
EXTENSION_GAP = 4.0  # the same where the next is the best with a term more; GAP and this by `tune_laws`, odd seeds
CANCELLING = 5.0  # terms larger than their sum by this cancel
SIMPLE_CANCELLING = 50.0  # the same where all exponents are simple: 12 and 6, or a parabola that hardly leaves 0
FREE_EXPONENTS = 2  # most exponents of a law that are no simple numbers, of a sum of products for each of its inputs
RATES_OF_A_LAW = 3  # most rates of growth and decay, by hand: more come near any smooth function of one input
WEAKEST = 8.0  # standard errors that each coefficient must be large
INFLATION = 1.3  # of left-out errors
EXACT_INFLATION = 5.0
"""The same of exact data, where more than FREE_EXPONENTS are no simple numbers. By hand: seven exponents fitted to the
eight rows that differ (drawn hard sum 20368) have 34."""

TAILS = 9.0  # of residuals' fourth moment (3 of normal noise)
LITTLE = 0.5  # of the target's variation: where a formula leaves more, waves are looked for
FEW_TERMS = 3  # more terms than these ask for a look at the wider family
EFFORT_MARGIN = 20.0  # nats between the noise models below which both are searched
HEAVY_TAILS = 6.0  # of the residuals' fourth moment, from which rows are weighted as Student's t does
STUDENT_DEGREES = 3.0
ROBUST_ROWS = 20  # fewer say nothing of tails
ROBUST_ROUNDS = 8  # of fit and weights
ROBUST_SEARCHES = 4  # of sums, each with the weights that the best so far asks for
HINGE = 0.9  # leverage from which a row decides a formula by itself; this and the next by hand
MOST_HINGES = 0.1  # of the rows
HINGE_RIVALS = 40  # formulas that are looked at without those rows
HINGE_APART = 5.0  # typical residuals that such a row lies off what explains the others
HINGE_ROUNDS = 3
