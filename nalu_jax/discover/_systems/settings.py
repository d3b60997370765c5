"""Every number that decides in the search for equations of trajectories.

Prices are negative logarithms of prior probabilities, in nats. All were set by hand; those of names before
any result was seen, but for FRACTION and INVERSE, which one drawn Lotka-Volterra system with 5 % noise raised (from 2
and 0.5). `python -m benchmarks.systems` measures what they do on drawn systems: odd seeds to tune,
even ones for reports. What the search for formulas of tables decides in the same way is taken from there.
"""

from nalu_jax.discover._engine import settings as tables

# --- prices ---------------------------------------------------------------------------------------------------------

DEGREE = (1.2, 0.7, 1.2, 2.0, 3.2, 4.2, 5.0, 6.0)
"""Of a product of this degree, beside the logarithm of how many there are of it; the last of all higher ones."""

TERM = tables.TERM  # of each term more
COEFFICIENT_SPREAD = tables.COEFFICIENT_SPREAD  # standard deviation of log|coefficient| of a term of typical size
EXPONENT_SPREAD = tables.EXPONENT_SPREAD  # standard deviation of a free exponent
COEFFICIENT_MEAN = tables.COEFFICIENT_MEAN  # mean of log(size of a term / size of the rate)
SIGN = tables.SIGN
QUOTIENT = tables.FORM["quotient"]  # of an equation with a denominator
FUNCTION = 2.0  # of a function of a state, beside the logarithm of how many functions there are
FUNCTION_ALONE = 0.5
SATURATION = QUOTIENT + FUNCTION
"""Of a product over 1 + q y^p, beside the prices of what is above and of y^p: a bar, and one of the terms over it. By
hand: with the first alone Lotka's and Volterra's equations with 1 % noise had rivals within 4.2 nats."""

INHIBITION = 1.0  # of 1/(1 + q y^p) beside y^p/(1 + q y^p): a rate that falls beside one that saturates
FUNCTION_TIMES_STATE = 1.5  # beside log(states)
PLAIN_FUNCTION = 1e-8  # part of a function's square that is not linear in its state: with less it is no function
LARGEST_INSIDE = tables.MOST_ANGLE  # of a sine or an exponential: beyond it a state is no exponent, and an angle only
ANGLE_STEP = 1.5
"""Radian from one sample to the next, of nine in ten, up to which a large state is an angle that turns: half a turn and
more cannot be told from less. By hand, after two drawn systems (functions 30056 and 30088) had no cosine."""

CLEAR_SIGN = 0.05  # of a state's standard deviation, that it goes below 0 to have an absolute value
FUNCTION_PRODUCT = 3.0  # of a product of two functions, beside the logarithms of how many there are
FRACTION = 4.0  # of a product in which some exponent is no whole positive number
INVERSE = 2.0  # of each negative exponent

# --- noise ----------------------------------------------------------------------------------------------------------

FLOOR = 1e-7
"""Smallest standard deviation of the noise, in those of the states. Below it are the errors of what made the data: at
1e-9 the errors of a simulator's own tolerances bought terms."""

FLOOR_OF_WEIGHTS = 1e-9  # smallest noise by which measurements are weighed: below the floor, so that fits end there
SMALLEST_NOISE = 1e-10  # in standard deviations of the states, that a spline may be made for
EXACT_SPLINE = 1e-5  # noise of a spline up to which it is taken to go through the data
ALIKE_NOISE = 1.5  # ratio of the noise of states from which splines with equal ratios are tried as well
FINER_SPLINES = {1e-3: 0.1, 5e-2: 0.01}
"""From which noise of a spline on, the smallest of all states, what part of it is tried as well: data may be coarse
rather than noisy."""

INTERPOLATED_NOISE = 1e-3  # of states that have too few measurements for an estimate
EXACT = 1.1  # residuals up to so many times the floor: the data are explained to the last digit
UNSEEN_SPREAD = 0.1  # standard deviation of what was not measured around its last estimate, in those of the state
UNSEEN_RATIO = 1e5  # the same, at most so many times the noise: with more the factors of the covariance lose digits
EXACT_START = 1e-3  # noise of initial states that are known, as part of that of the others

NOISE_BELOW_ZERO = 3.0
"""Standard deviations of the noise that a state which is never negative may be measured below 0: one measurement of a
thousand that are 0 is beyond."""

# --- splines --------------------------------------------------------------------------------------------------------

SPLINE_DEGREE = 7
INPUT_DEGREES = (1, 3, 7)  # of interpolations of what drives the states
HELD_SAMPLES = 0.5  # share of the samples at which an input is as before, from which on it may be held; by hand
UNFORETOLD = 0.5
"""Part of the variance of an input that the best interpolation of every other sample misses, from which on the input
may be held between samples. By hand: of independent values it is 1.5, of a sine with ten samples a turn 0.01."""
HELD_OTHERWISE = 30.0
"""Nats by which a law that was found with inputs held in one way must fit worse in another one, that laws are not
searched in that, too. By hand."""

SPLINE_COEFFICIENTS = 300  # most of one spline: its decomposition costs their third power
ROUGHNESS = (2, 3, 4)  # derivatives of which the integrated square is penalised
PENALTIES = (-32.0, 8.0, 161)  # logarithms of the penalty: first, last, number

# --- starts ---------------------------------------------------------------------------------------------------------

POLYNOMIAL_DEGREE = {1: 6, 2: 5, 3: 4, 4: 3}  # by the number of states; 2 of more
FIRST_DEGREES = (2, 3)  # libraries that are searched before the whole
PAIRS = 6  # pairs of terms from which the regression goes on
TRIPLES = 6
TRIPLE_LIBRARY = 220  # largest library of which all triples are tried
STARTS = 3  # of one equation
FEW_STATES = 4  # up to which starts of equations are combined
BEAM, BEAM_PAIRS, BEAM_TERMS, BEAM_ENDS = 60, 20, 9, 5
"""Where there are more states than that: supports of one equation that are kept of every size, pairs and triples among
them, most terms, and from how many the search goes on. Lorenz-96 with 20 states and 1 % noise (another draw than the
reported one): of three equations that single changes had missed, 5 found none, 20 two and 60 all."""

EXCHANGED_PAIRS = 3
"""Of terms, tried in the place of each two of the best such support: where several terms of one equation stand for two
others no single change helps. One of 12 equations of a network of 16 reactions was missed without."""

WINDOWS = 30  # of noisy data: a window is one 30th of a trajectory
REGRESSION_FLOOR = 1e-14  # of the sum of squares
LARGEST_SUPPORT = 12  # terms of one equation in the regression

# --- functions and real exponents -----------------------------------------------------------------------------------

DEGREE_BESIDE_FUNCTIONS = {1: 5, 2: 4, 3: 3, 4: 2}  # by the number of states
DEGREE_BESIDE_REAL = 3
MOST_FUNCTION_STATES = 4  # states of which functions are searched
MOST_FUNCTION_PRODUCTS = 2  # states of which products of two functions are
MOST_REAL_STATES = 4  # states whose real exponents are searched
REAL_POWERS = (1.0, 2.0, 0.5, -1.0, 1.5, -0.5, 1 / 3, 2 / 3)  # of a state that stays away from 0
REAL_POWERS_AT_ZERO = (1.0, 2.0, 0.5, 1.5, 1 / 3, 2 / 3)
AWAY_FROM_ZERO = 0.02  # of its standard deviation, that it stays above
SMALL_STARTS = {1: 4, 2: 2, 3: 2}  # supports of one, two and three terms of an equation, by states; 1 of more
EXCHANGED_TERMS = 2  # most terms for each state, of small systems in which states hand on what they keep
SMALL_CURVES = 2  # smoothings from which small systems are searched
SMALL_SYSTEMS = 20  # the likeliest by their regressions
GROWN = 2  # best small systems from which others grow
FREED_TERMS = 3  # most terms per equation, on average, of small systems whose exponents are fitted
FREED_AGAIN = 2  # best of all, in the end
LARGEST_EXPONENT = tables.LARGEST_EXPONENT  # that a fitted one may have: with larger ones it has left the numbers
ROUNDING_SLACK = tables.ROUNDING_SLACK  # nats that one step of rounding may cost; the best of the path is kept

# --- rates inside of functions --------------------------------------------------------------------------------------

# By hand, on six systems, five of which are tests now: no script draws functions with rates.

RATED_FUNCTIONS = 5  # sin, cos, tanh, and exp of either sign
MOST_RATED_STATES = 3  # states inside of whose functions rates are searched
RATES_OF_WAVES = tuple(0.3 * i for i in range(1, 27))  # times the standard deviation of the state
RATES_OF_STEPS = tuple(0.3 * 1.5**i for i in range(8))
DEGREE_BESIDE_RATES = 2  # of products beside such functions, in the scan
INNER_STARTS = 4  # of each equation that are fitted
LEAST_RATE = 0.25  # times the standard deviation of the state: with less inside a function is its first powers
RATE = 6.0  # nats of a rate that was not fitted yet, as measured ones usually cost
SHARED_RATE = 3.0  # standard errors between two rates of one state, up to which one in the place of both is tried
RATE_STEP = 1e-4  # relative, of a derivative by a rate
RATE_STEPS = 12  # Gauss-Newton steps of rates together with all numbers
SETTLED_RATES = 1e-2  # nats that a step gained, below which it was the last
SAME_RATE = 1e-9  # relative difference up to which a rate is a simple number

# --- quotients ------------------------------------------------------------------------------------------------------

QUOTIENT_DEGREES = {1: (6, 5), 2: (3, 2), 3: (2, 2)}  # of terms above and below the bar, by the number of states
QUOTIENT_TERMS = 6  # above and below, of up to three states
QUOTIENT_TERMS_OF_MANY = 4
QUOTIENT_STATES = 4  # states of which quotients of all small sets of terms are searched
SATURATING_STATES = 6  # states of which quotients over a single power are
SATURATING_POWERS = (1, 2, 3, 4)  # that stand alone beside 1 below a bar
QUOTIENT_CURVES = 2  # smoothings from which quotients are searched
SATURATING_SIZES = (0.1, 0.25, 0.4, 0.55, 0.7, 0.85)  # quantiles of a state at which a rate is half of what it was
SATURATING_STARTS = 6
QUOTIENTS_REGRESSED = 60  # of each number of terms, fitted to the changes
QUOTIENT_STEPS = 6  # Gauss-Newton steps of that
QUOTIENTS_FITTED = 25  # of each number of terms, fitted to the trajectories where there is one state
QUOTIENTS_EXCHANGED = 4  # of one equation, one after another, beside the best so far
QUOTIENTS_COMBINED = {2: 8, 3: 8, 4: 8}  # of one equation beside those of others, by the number of states; 2 of more
COMBINATIONS = 40
MOST_COMBINED = 10  # equations, as sums that are conserved make more of them than there are states
SMALL_DENOMINATOR = 1e-3  # a quotient whose denominator comes nearer to 0 is left

# --- what saturates -------------------------------------------------------------------------------------------------

# By hand, on six laws of textbooks (chemostat, Michaelis and Menten, Hill, toggle switch, two of predators and prey, of
# which four are tests now) and on drawn systems of odd seeds from 66,001 (`python -m benchmarks.systems --odd`).

SATURATION_DEGREE = {1: 4, 2: 3, 3: 2}  # of products beside what saturates, by the number of states
LEAST_SATURATION = 0.1  # q y^p of 1 + q y^p at the largest state: with less nothing saturates
SATURATIONS_TRIED = 8  # starts of one equation that are fitted, before their sizes are
SATURATIONS_BEHIND = 25.0  # nats behind the best so far, up to which sizes are fitted, and more terms tried
SATURATION_BEYOND = 2.0  # sizes beyond what was measured, by the smallest and the largest that were
SATURATIONS_FITTED = 3  # sums of each number of terms and each bar, of which the size is fitted to the changes
SATURATION_ROUNDS = 3  # of fits of the size and searches for more terms
SATURATION_RANGE = 1.0  # of the logarithm of a size, to either side
SATURATION_DIGITS = 1e-3  # of that logarithm, to which it is fitted
UNFOLDED = 6  # best quotients that are taken apart into sums beside what saturates
NEXT_TO_NOTHING = 0.15  # part of the largest number of a quotient up to which one that is left of it may be nothing

# --- the fit --------------------------------------------------------------------------------------------------------

SUBSTEPS = 4  # of the solver in each interval between samples
STEPS = 10  # Gauss-Newton steps
FREE_STEPS = 30  # where exponents are free: their noise falls by NOISE_SHRINKAGE at most in each
FEWER_STEPS = 6  # of small systems, most of which are hopeless
STEP_SIZES = (1.0, 0.4, 0.15, 0.05)
DEFECTS = 10.0  # weight of the whitened jumps between intervals in what a step must not raise
SMALL_MOVE = 0.05  # in standard deviations of the noise, after which the noise is estimated again
NOISE_GROWTH, NOISE_SHRINKAGE = 3.0, 5.0  # factors by which it may change at once: earlier or more, and it grows wrong
SETTLED_NOISE = 0.02  # relative change of the noise at which the fit ends
LARGEST_PROPAGATOR = 1e6  # of a deviation along one interval
HOPELESS, HOPELESS_ERROR = 100.0, 1e-3
"""Nats behind the best, with residuals in standard deviations of a state above this: no better solver will help,
unless the residuals are the solver's own."""

HOPELESS_SOLVER_ERROR = 0.3
"""Of the solver, in standard deviations of the residuals of such a fit. Chaos with four samples a turn has 1."""

SOLVER_ERROR = 0.03  # of the fourth-order solver, in standard deviations of the noise, that is small enough
INNER_STEPS = 4  # of the most precise solver, in each substep
PRECISE = 1e-5  # residuals below which the eighth-order solver is used
WORST_FIT = 0.7  # residuals in standard deviations of a state above which a candidate explains nothing

# --- the search -----------------------------------------------------------------------------------------------------

ROUNDS = 6  # of fit and linear search, from one start
TERMS_PER_EQUATION = {1: 8, 2: 6}  # of polynomials, on average over the equations, by the number of states
TERMS_OF_MANY = 5  # of more states
TERMS_OF_OTHERS = 3  # of other families: more are series of what they have not
LINEAR_FLOOR = 1e-4  # of the mean square in the linear search: what is nonlinear is not gained
LONGEST_EQUATION = 5
"""Numbers of one equation that may explain exact data and be the law: to the seven digits of the floor, each must add
more than one. Eight powers follow a Hill function of one state so far, as its series."""

SERIES_TERMS = 3  # powers of one variable from which functions are tried though exact data are explained

NEIGHBOURS = 8  # linearised neighbours of the best that are fitted
MOST_NEIGHBOURS = 24  # the same, copies of the best among them: up to half of all were, of fractional SIR
ANEW = 2  # other supports of each equation that are fitted beside them: those that no single change leads to
SCREENED_COLUMNS = 300  # most columns of the linear search; more are screened
NEIGHBOUR_ROUNDS = 12
CANDIDATES = 12  # that are handed over, beside those of the front
MENDED = 6  # best fits that make a state negative which cannot be, from which the terms that do are dropped
PRUNED = 2  # best fits of next to exact data from which terms are dropped one after another
PRUNED_ERROR = 1.5  # times what the fit leaves, that it may leave without a term
SINGULAR = 1e-7  # squared sine of the angle to other columns below which a column says nothing new
SINGULAR_PAIR = 1e-6  # the same beside a first column: what is left of two others has fewer digits

# --- numbers that differ between trajectories -------------------------------------------------------------------------

SEARCHED_ALONE = 4  # trajectories that are searched by themselves, the longest: more seldom lead to other laws
ALONE = 0.6  # part of the time for single trajectories: they lead to the law where numbers differ
TOGETHER = 0.8  # part after which the search of all of them, as of one law with common numbers, is over
EXACT_LAWS = 3  # of a trajectory that are tried where one explains all to the last digit: others may have fewer numbers
REFINED = 3  # best laws of which one coefficient after another is tried in common

# --- the verdict ----------------------------------------------------------------------------------------------------

GAP = tables.GAP  # nats to the next law that does not contain the best
GAP_OF_MORE = 1.5
"""Nats to the next law that contains the best. What is in it and not needed costs its price, and noise gains some of
that back; with less between them the term may as well be there."""

INDISTINCT = 0.5
"""Sum of the squared differences between the states of two laws, in standard deviations of the noise, up to which the
measurements say nothing of which it is: they are expected to prefer the right one by half of it, a quarter of a nat.
Laws of fractional SIR with 1 % noise that had a tanh of large numbers as a factor: 0 to 0.15; other rivals: 1 to 30."""

SAME_EXPONENT = 0.15  # difference of exponents up to which a law contains another
FREE_EXPONENTS = tables.FREE_EXPONENTS  # most exponents of a law that are no simple numbers
WEAKEST = tables.WEAKEST  # standard errors that each coefficient must be large
UNDETERMINED = 1e-10  # smallest singular value, by the largest, of what the data determine
EXPLAINS = 0.35  # residuals in standard deviations of a state up to which a law explains something
MOST_LEVELS = 8  # different values of an input up to which it is asked whether they tell its powers apart; by hand
LEVEL_DIGITS = 9  # after which values of an input, in its standard deviations, are the same; by hand
WHITE = 3.5  # standard normal deviations of the residuals' autocorrelation
KNOWN_NOISE = 1.25  # times the noise that was given, up to which residuals are noise
"""A gap of 6 and 8 standard errors, on the 77 drawn systems with noise of a prototype, 40 of them right: 20 said
"recovered", all right; with a gap of 4, 34 and 28."""
